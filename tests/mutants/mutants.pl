#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# mutants.pl COMMAND... - read list.txt, which says what a mutant is.
#   check             labels, edits, tests, models and README.md against the tree
#   names [NAME...]   of all mutants, or of these, which there must be
#   apply NAME DIR    change files below DIR; prints which, and
#                     keeps what they were as FILE.orig
#   tests NAME        one a line: killed|survives plain|tsan PROGRAM SENTENCE
#   table             what README.md has to contain
#   write             that, into README.md
use strict;
use warnings;
use FindBin;

my $root = "$FindBin::Bin/../..";
my $list = "$FindBin::Bin/list.txt";
my $mark = '<!-- from list.txt: tests/mutants/mutants.pl table -->';
my (@mutants, %by_name);
my $bad = 0;

sub complain {
	print "tests/mutants/list.txt: @_\n";
	$bad = 1;
}

sub slurp {
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!\n";
	local $/;
	return scalar <$file>;
}

sub spill {
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!\n";
	print $file $text;
	close $file or die "$path: $!\n";
}

# A line is a key and its value; a tab continues the value.  Lines that begin with
# - are taken out, those with + behind them come in.
sub read_list {
	my ($section, $mutant, $edit, $place) = ('', undef, undef, undef);
	my $number = 0;
	my $last;

	for my $line (split /\n/, slurp($list)) {
		$number++;
		next if $line =~ /^#/ || $line =~ /^\s*$/;
		if ($line =~ /^= (.+)$/) {
			$section = $1;
			next;
		}
		if ($line =~ /^\t+(.*)$/ && $last) {
			$$last .= " $1";
			next;
		}
		if ($line =~ /^([-+])(?:[ \t](.*))?$/) {
			my ($sign, $text) = ($1, $2 // '');
			if ($sign eq '-' && !($edit && !$edit->{closed})) {
				$edit = {%$place, from => '', to => ''};
				push @{$mutant->{edits}}, $edit;
			}
			$edit->{closed} = 1 if $sign eq '+';
			$edit->{$sign eq '-' ? 'from' : 'to'} .= "$text\n";
			next;
		}
		$line =~ /^(\w+) (.+)$/ or die "$list:$number: what is this?\n";
		my ($key, $value) = ($1, $2);
		$edit = undef;
		if ($key eq 'name') {
			$mutant = {name => $value, section => $section,
				   labels => [], edits => [], models => []};
			complain("$value is there twice") if $by_name{$value};
			push @mutants, $mutant;
			$by_name{$value} = $mutant;
		} elsif ($key eq 'labels') {
			$mutant->{labels} = [split ' ', $value];
		} elsif ($key eq 'file') {
			my ($path, $function) = split ' ', $value;
			$place = {path => $path, function => $function};
		} elsif ($key eq 'killed' || $key eq 'survives') {
			push @{$mutant->{tests}}, {verdict => $key, text => $value};
			$last = \$mutant->{tests}[-1]{text};
			next;
		} elsif ($key eq 'breaks' || $key eq 'because') {
			$mutant->{$key} = $value;
			$last = \$mutant->{$key};
			next;
		} elsif ($key eq 'model') {
			push @{$mutant->{models}}, $value;
		} else {
			die "$list:$number: what is $key?\n";
		}
		$last = undef;
	}
	for my $mutant (@mutants) {
		for my $test (@{$mutant->{tests}}) {
			$test->{text} =~
				/^(?:(tsan) )?(\w+\/\w+)(?:: (.+))?$/
				or die "$list: $mutant->{name}: $test->{text}?\n";
			@$test{qw(build program sentence)} =
				($1 // 'plain', $2, $3 // '');
		}
	}
}

# Where a function's body stands: a brace of its own line begins it, and what is
# above it back to an empty line or a comment names it.  No name: the whole text.
sub body {
	my ($text, $function) = @_;
	my @found;

	return (0, length $text) unless $function;
	while ($text =~ /^\{\n.*?^\}/gms) {
		my ($begin, $length) = ($-[0], $+[0] - $-[0]);
		my $head = substr $text, 0, $begin;
		$head =~ s/.*(?:\n\n|\*\/\n)//s;
		push @found, $begin, $length if $head =~ /\b\Q$function\E\(/;
	}
	return @found == 2 ? @found : ();
}

# White space stands for any white space.
sub pattern {
	my ($from) = @_;
	$from =~ s/^\s+|\s+$//g;
	return join '\s+', map { quotemeta } split ' ', $from;
}

# The files of a mutant with its edits; undef where one does not apply.
sub mutate {
	my ($mutant, $dir) = @_;
	my %texts;

	for my $edit (@{$mutant->{edits}}) {
		my $path = $edit->{path};
		$texts{$path} //= slurp("$dir/$path");
		my ($begin, $length) = body($texts{$path}, $edit->{function});
		if (!defined $begin) {
			complain("$mutant->{name}: no function $edit->{function} in $path");
			return;
		}
		my $part = substr $texts{$path}, $begin, $length;
		my $pattern = pattern($edit->{from});
		my $count = () = $part =~ /$pattern/g;
		if ($count != 1) {
			complain("$mutant->{name}: $count times in $path: $edit->{from}");
			return;
		}
		my $to = $edit->{to};
		$to =~ s/^\s+|\s+$//g;
		$part =~ s/$pattern/$to/;
		substr($texts{$path}, $begin, $length) = $part;
	}
	return \%texts;
}

sub apply {
	my ($name, $dir) = @_;
	my $texts = mutate($by_name{$name}, $dir);

	exit 1 unless $texts;
	for my $path (sort keys %$texts) {
		spill("$dir/$path.orig", slurp("$dir/$path"));
		spill("$dir/$path", $texts->{$path});
		print "$path\n";
	}
}

sub check_labels {
	my (%there, %covered);

	for my $path (glob "$root/lib/*.[ch]") {
		my $text = slurp($path);
		$there{$1} = 1 while
			$text =~ /\/\*[\s*]*\[([A-Z]+[0-9]+)\] pairs with /g;
	}
	for my $mutant (@mutants) {
		for my $label (@{$mutant->{labels}}) {
			complain("$mutant->{name}: no label $label in lib")
				unless $there{$label};
			$covered{$label} = 1;
		}
	}
	for my $label (sort keys %there) {
		complain("no mutant for [$label]") unless $covered{$label};
	}
}

sub check_tests {
	my ($mutant) = @_;
	my %verdicts;

	for my $test (@{$mutant->{tests}}) {
		my $path = "$root/tests/$test->{program}.c";
		my $name = "$mutant->{name}: $test->{program}";
		$verdicts{$test->{verdict}} = 1;
		if (!-e $path) {
			complain("$name is not there");
		} elsif ($test->{sentence}) {
			my $text = slurp($path);
			$text =~ s/"\s*\n\s*"//g;
			complain("$name has no case '$test->{sentence}'")
				if index($text, "{\"$test->{sentence}\",") < 0;
		}
	}
	complain("$mutant->{name}: who kills it, or why does it survive?")
		unless $verdicts{killed} ||
		       ($verdicts{survives} && $mutant->{because});
	complain("$mutant->{name}: what does it break?")
		unless $mutant->{breaks} && @{$mutant->{edits}};
}

sub check_models {
	my ($mutant) = @_;
	my $cases = slurp("$root/tests/model/cases.txt");

	for my $model (@{$mutant->{models}}) {
		my ($file, $flag) = split ' ', $model;
		complain("$mutant->{name}: no case $model in tests/model")
			unless $cases =~ /\b\Q$file\E\.pml\b.*-DMUTANT_\Q$flag\E\b/;
	}
}

sub killers {
	my ($mutant) = @_;
	my @killed = grep { $_->{verdict} eq 'killed' } @{$mutant->{tests}};
	my @parts = map {
		$_->{program} . ($_->{build} eq 'tsan' ? ' (tsan)' : '') .
			($_->{sentence} ? ": $_->{sentence}" : '')
	} @killed;
	push @parts, "**survives**: $mutant->{because}" unless @killed;
	push @parts, map { "model " . join ' ', split } @{$mutant->{models}};
	return join '; ', @parts;
}

sub table {
	my $section = '';
	my $table = '';

	for my $mutant (@mutants) {
		if ($mutant->{section} ne $section) {
			$section = $mutant->{section};
			$table .= "\n### $section\n\n" .
				  "| mutant | what it breaks | killed by |\n" .
				  "| --- | --- | --- |\n";
		}
		my $labels = join ' ', map { "[$_]" } @{$mutant->{labels}};
		my $where = $mutant->{name} . ($labels ? " $labels" : '');
		my $row = "$where | $mutant->{breaks} | " . killers($mutant);
		$table .= "| $row |\n";
	}
	my $killed = grep { $_->{tests}[0]{verdict} eq 'killed' } @mutants;
	return sprintf("%s\n\n%d mutants: %d are killed, %d survive.\n%s",
		       $mark, scalar @mutants, $killed, @mutants - $killed,
		       $table);
}

sub check {
	check_labels();
	for my $mutant (@mutants) {
		check_tests($mutant);
		check_models($mutant);
		mutate($mutant, $root);
	}
	my $readme = slurp("$FindBin::Bin/README.md");
	complain('README.md has another table')
		unless substr($readme, index($readme, $mark)) eq table();
	exit $bad;
}

sub write_readme {
	my $path = "$FindBin::Bin/README.md";
	my $readme = slurp($path);

	substr($readme, index($readme, $mark)) = table();
	spill($path, $readme);
}

sub names {
	for my $name (@_ ? @_ : map { $_->{name} } @mutants) {
		die "no mutant $name\n" unless $by_name{$name};
		print "$name\n";
	}
}

sub tests {
	my ($name) = @_;
	for my $test (@{$by_name{$name}{tests}}) {
		print "$test->{verdict} $test->{build} $test->{program} $test->{sentence}\n";
	}
}

my %commands = (check => \&check, names => \&names, apply => \&apply,
		tests => \&tests, table => sub { print table() },
		write => \&write_readme);
my $command = shift // '';
my $sub = $commands{$command} or
	die "mutants.pl check|names|apply|tests|table|write\n";
read_list();
exit 1 if $bad;
$sub->(@ARGV);
