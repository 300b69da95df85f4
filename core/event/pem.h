/* pem - what OpenSSL is told when a private key in PEM form is encrypted. */
#ifndef VERBATIM_EVENT_PEM_H
#define VERBATIM_EVENT_PEM_H

/*
 * A pem_password_cb over a passphrase (NULL: none).  Without one OpenSSL would ask on the terminal: nobody sits before an
 * engine, and a client may be in a pipe.  One that is longer than OpenSSL takes opens nothing.
 */
int pem_passphrase(char *to, int size, int writing, void *passphrase);

#endif
