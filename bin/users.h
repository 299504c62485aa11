/* SPDX-License-Identifier: MIT */
/*
 * users.h - who uses a port, in words
 */
#ifndef USERS_H
#define USERS_H

/*
 * users_text - " by 12 (mmsock-recv), 13 (sh) and 2 more"
 *
 * Names the live participants of @port, empty where there is none to be seen.
 * The caller frees the text.
 */
char *users_text(const char *port, const char *dir);

#endif
