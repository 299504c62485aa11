/* SPDX-License-Identifier: MIT */
/*
 * names.pml - opening in the four modes, overwriting, removing, sweeping
 *
 * find_or_make() and attach() of lib/mmsock.c, lib/birth.c, lib/admin.c, and
 * enter() and mms_port_check_link() of lib/port.c.  A step is one system call, or one
 * access to the state word.  Everybody may die at every step.
 *
 * A file is a number; it has a state word (0: half-born), an admin byte, an entry byte
 * that newcomers share and who removes the unused holds alone, and bytes of slots, here
 * a bit for each participant.  The directory has the port's name and a
 * temporary name for each creator (random in the code, so never the same twice).
 *
 * NAMED is a file system without O_TMPFILE, where a newborn has a temporary name from
 * its conception.
 *
 * What each does is WHO_0 ... WHO_3.  PLAIN_RM says that one of them is rm(1), who
 * asks nobody; what is promised of who unlinks what does not hold then.
 */
#define CONNECT           1 /* MMSOCK_CONNECT_TO_EXISTING */
#define CONNECT_OR_CREATE 2
#define EXCLUSIVE         3
#define OVERWRITE         4
#define REMOVE            5 /* MMSOCK_REMOVE_ALWAYS */
#define REMOVE_UNUSED     6
#define RM                7
#define NOBODY            0

#ifndef WHO_0
#define WHO_0 OVERWRITE
#endif
#ifndef WHO_1
#define WHO_1 OVERWRITE
#endif
#ifndef WHO_2
#define WHO_2 NOBODY
#endif
#ifndef WHO_3
#define WHO_3 NOBODY
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define PEOPLE 4
#define FILES  10
#define BIT    (1 << me)

#define HALF_BORN 0
#define READY     1
#define CLOSED    2
#define REPLACED  3

byte name;             /* the file that the name leads to, or 0 */
byte temp[PEOPLE];     /* the same for temporary names */
byte files;            /* made so far; 0 is none */
byte state[FILES];
byte admin[FILES];     /* who holds the admin byte, + 1 */
byte slots[FILES];     /* bit p: p holds the byte of his slot */
byte attached[PEOPLE]; /* to which file, once mmsock_open() has succeeded */
byte sharing[FILES];   /* bit p: p shares the entry byte */
bool barred[FILES];    /* a remover holds it alone */
bool dead[PEOPLE];
byte crashes = CRASHES;
bool was_there; /* ghost: a port had the name */

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

#define nameless(file)                                                         \
	(name != file && temp[0] != file && temp[1] != file &&                 \
	 temp[2] != file && temp[3] != file)

inline mark(file, what)
{
	atomic {
		if
		:: state[file] == READY -> state[file] = what
		:: else
		fi;
		MAYDIE
	}
}

/* mms_admin_sweep(): open, try the byte, unlink the name, close. */
inline mms_admin_sweep()
{
	c = 0;
	do
	:: c < PEOPLE ->
		if
		:: atomic { temp[c] -> fd = temp[c]; MAYDIE }
			atomic {
#ifdef MUTANT_SWEEPS_THE_LIVING
				true;
#else
				if
				:: admin[fd] == 0 -> admin[fd] = me + 1
				:: else -> fd = 0
				fi;
#endif
				MAYDIE
			}
			if
			:: fd ->
				atomic {
					temp[c] = (temp[c] == fd -> 0 : temp[c]);
					MAYDIE
				}
				atomic {
					if
					:: admin[fd] == me + 1 -> admin[fd] = 0
					:: else
					fi;
					fd = 0;
					MAYDIE
				}
			:: else
			fi
		:: atomic { !temp[c] -> skip }
		fi;
		c++
	:: else -> break
	od;
	c = 0
}

/* mms_admin_hold(): held is the file, or 0 where there is none (-ENOENT). */
inline mms_admin_hold()
{
	do
	:: atomic {
		held = name;
		if
		:: !held -> break
		:: else
		fi;
		MAYDIE
	}
#ifndef MUTANT_NO_ADMIN_BYTE
	atomic { admin[held] == 0 -> admin[held] = me + 1; MAYDIE }
#endif
	atomic {
		if
#ifdef MUTANT_NAME_NOT_CHECKED_AGAIN
		:: true -> break
#else
		:: name == held -> break
#endif
		:: else -> admin[held] = 0
		fi;
		MAYDIE
	}
	od
}

inline mms_admin_release()
{
	atomic { admin[held] = 0; held = 0; MAYDIE }
}

proctype user(byte me; byte who)
{
	byte fd, held, newborn, c;
	bool created;
	bool led; /* ghost: the name led here once we had the slot */

again:
	if
	:: who == REMOVE || who == REMOVE_UNUSED -> goto remove
	:: who == RM -> atomic { name = 0; goto end }
	:: else
	fi;

	/* find_or_make() */
	created = false;
	if
	:: who == CONNECT || who == CONNECT_OR_CREATE ->
		atomic {
			fd = name;
			assert(fd == 0 || temp[0] != fd && temp[1] != fd);
			MAYDIE;
			if
			:: fd -> goto attach
			:: !fd && who == CONNECT -> goto end
			:: else
			fi
		}
	:: else
	fi;
	created = true;

	/* mms_birth() */
	mms_admin_sweep();
	atomic { /* conceive() */
		/* Only where names are swept can it take more: a bounded search. */
#ifdef NAMED
		if
		:: files == FILES - 1 -> goto end
		:: else
		fi;
#endif
		files++;
		assert(files < FILES);
		newborn = files;
#ifdef NAMED
		temp[me] = newborn;
		MAYDIE
	}
	atomic {
#endif
		if
		:: admin[newborn] == 0 -> admin[newborn] = me + 1
		:: else -> /* -EAGAIN */
			temp[me] = 0;
			newborn = 0;
			goto again
		fi;
		MAYDIE
	}
#if defined(NAMED) && !defined(MUTANT_TEMP_NOT_LOOKED_AT)
	atomic { /* has_name() */
		if
		:: temp[me] != newborn ->
			admin[newborn] = 0;
			newborn = 0;
			goto again
		:: else
		fi;
		MAYDIE
	}
#endif
#ifdef MUTANT_PUBLISHED_HALF_BORN
#define BORN HALF_BORN
#else
#define BORN READY
#endif
	atomic { state[newborn] = BORN; MAYDIE } /* raise_child() */
publish:
	atomic { /* link_as() */
#ifdef NAMED
		if
		:: temp[me] != newborn ->
			/* -ENOENT: swept as if we were dead */
			assert(false);
			admin[newborn] = 0;
			newborn = 0;
			goto end
		:: else
		fi;
#endif
		if
		:: name == 0 ->
			name = newborn;
			temp[me] = 0;
			was_there = true;
			MAYDIE;
			goto born
#ifdef MUTANT_LINK_OVER
		:: else ->
			name = newborn;
			goto born
#else
		:: else
#endif
		fi;
		MAYDIE
	}
	if
	:: who != OVERWRITE -> goto exists
	:: else
	fi;

	/* take_the_place() */
	mms_admin_hold();
	if
	:: !held -> goto publish
	:: else
	fi;
#ifdef MUTANT_MARK_BEFORE_RENAME
	mark(held, REPLACED);
#endif
	atomic { temp[me] = newborn; MAYDIE }
	atomic {
		if
		:: temp[me] != newborn -> /* -ENOENT */
			assert(false)
		:: else
		fi;
#ifndef PLAIN_RM
		assert(name == held);
#endif
		name = newborn;
		temp[me] = 0;
		MAYDIE
	}
#ifndef MUTANT_MARK_BEFORE_RENAME
	mark(held, REPLACED);
#endif
	mms_admin_release();
born:
	atomic { admin[newborn] = 0; fd = newborn; newborn = 0; MAYDIE }
#ifdef MUTANT_PUBLISHED_HALF_BORN
	atomic { state[fd] = READY; MAYDIE }
#endif
	goto attach;
exists:
	atomic { temp[me] = 0; admin[newborn] = 0; newborn = 0; MAYDIE }
	if
	:: who == CONNECT_OR_CREATE -> goto again
	:: else -> goto end
	fi;

attach:	/* mms_port_attach() */
#ifndef MUTANT_ENTRY_NOT_SHARED
	atomic { !barred[fd] -> sharing[fd] = sharing[fd] | BIT; MAYDIE }
#endif
	atomic {
		/* header and state word are believed from here on */
		assert(state[fd] != HALF_BORN);
		slots[fd] = slots[fd] | BIT;
		led = name == fd;
		MAYDIE
	}
#ifndef MUTANT_ENTRY_NOT_SHARED
	atomic { sharing[fd] = sharing[fd] & ~BIT; MAYDIE }
#endif
	atomic {
		if
		:: state[fd] != READY -> goto stale
		:: else
		fi;
		MAYDIE
	}
	atomic { /* still_named() */
#ifndef MUTANT_NOT_STILL_NAMED
		if
		:: name != fd -> goto stale
		:: else
		fi;
#endif
		MAYDIE
	}
	atomic {
		if
		:: state[fd] != READY -> goto stale
		:: else
		fi;
		assert(led);
		attached[me] = fd;
		MAYDIE
	}
	/*
	 * A participant, until he learns that the port is gone: by the state word, or
	 * by the link count, and then he tells the others.
	 */
end_attached:
	do
	:: atomic { state[fd] != READY ->
		attached[me] = 0;
		slots[fd] = slots[fd] & ~BIT;
		fd = 0;
		goto end
	}
#ifndef MUTANT_LINK_NOT_LOOKED_AT
	:: atomic { state[fd] == READY && nameless(fd) ->
		MAYDIE;
		state[fd] = (name -> REPLACED : CLOSED)
	}
#endif
	:: atomic { crashes > 0 -> crashes--; goto died }
	od;
stale:
	atomic {
		slots[fd] = slots[fd] & ~BIT;
		fd = 0;
		MAYDIE;
		if
		:: created -> goto end
		:: else -> created = false; goto again
		fi
	}

remove:	/* mmsock_remove() */
	mms_admin_sweep();
	mms_admin_hold();
	if
	:: !held -> goto end
	:: else
	fi;
	if
	:: who == REMOVE_UNUSED ->
		/* check_unused() */
#ifdef MUTANT_BARRED_AFTER_THE_LOOK
		atomic { c = (slots[held] -> 1 : 0); MAYDIE }
#endif
		atomic {
			if
			:: sharing[held] -> c = 1
			:: else -> barred[held] = true
			fi;
			MAYDIE
		}
#ifndef MUTANT_BARRED_AFTER_THE_LOOK
		atomic {
			if
			:: slots[held] -> c = 1
			:: else
			fi;
			MAYDIE
		}
#endif
		if
		:: c -> c = 0; goto release
		:: else
		fi
	:: else
	fi;
	atomic {
#ifndef PLAIN_RM
		assert(name == held);
#endif
		/* what is removed as unused has no user */
#ifndef PLAIN_RM
		assert(who == REMOVE || attached[0] != held &&
			attached[1] != held && attached[2] != held &&
			attached[3] != held);
#endif
		name = 0;
		MAYDIE
	}
	mark(held, CLOSED);
release:
	atomic {
		if
		:: who == REMOVE_UNUSED -> barred[held] = false
		:: else
		fi;
		MAYDIE
	}
	mms_admin_release();
	goto end;

died:	/* the kernel closes what he had open */
	atomic {
		dead[me] = true;
		attached[me] = 0;
		fd = 0;
		held = 0;
		newborn = 0;
		created = false;
		led = false;
		c = 0;
		do
		:: c < FILES ->
			if
			:: admin[c] == me + 1 ->
				admin[c] = 0;
				barred[c] = false
			:: else
			fi;
			sharing[c] = sharing[c] & ~BIT;
			slots[c] = slots[c] & ~BIT;
			c++
		:: else -> break
		od;
		c = 0
	}
end:
	skip
}

#define some(who)                                                              \
	(WHO_0 == who || WHO_1 == who || WHO_2 == who || WHO_3 == who)

active proctype audit()
{
	byte p;

	timeout ->
	for (p : 0 .. PEOPLE - 1) {
		/* who is attached to what still counts as READY has the name's port */
		assert(!attached[p] || state[attached[p]] == READY);
		assert(!attached[p] || name == attached[p]);
		/* a temporary name is that of a dead one, and free to be swept */
		assert(!temp[p] || dead[p] && !admin[temp[p]])
	}
	for (p : 1 .. FILES - 1) {
		assert(!admin[p] && !barred[p] && !sharing[p])
	}
	/* what has the name is whole and nobody has marked it */
	assert(!name || state[name] == READY);
	/* an overwriter who dies leaves one of the two */
	assert(name || !was_there || some(REMOVE) || some(REMOVE_UNUSED) ||
		some(RM))
}

init
{
	atomic {
		if
		:: true
		:: files = 1; state[1] = READY; name = 1; was_there = true
		fi;
		run user(0, WHO_0);
		run user(1, WHO_1);
#if WHO_2
		run user(2, WHO_2);
#endif
#if WHO_3
		run user(3, WHO_3)
#endif
	}
}
