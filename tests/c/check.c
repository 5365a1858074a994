/*
 * Signs in to a tenant with an app's secret, checks its readiness for self-service password reset, prints the screen.
 *
 *   SSPR_TENANT         the tenant's id or a domain of it
 *   SSPR_CLIENT_ID      the app
 *   SSPR_CLIENT_SECRET  its secret
 *   SSPR_LOGIN, SSPR_GRAPH   other addresses, for tests (plain HTTP on this machine only)
 *
 *   cc -std=c99 -Iinclude tests/c/check.c -Ltarget/debug -lentra_sspr -o check
 *
 * It ends with 0 when the tenant was checked (ready or not), and with 1 when that was not possible.
 */
#include "entra_sspr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says why a call or a task failed: the error document holds more than its message. */
static int failed(const char *what, int32_t status, char *error) {
    fprintf(stderr, "%s: status %d: %s\n", what, (int)status, error != NULL ? error : "(no error document)");
    sspr_string_free(error);
    return 1;
}

/* Writes `"name":"value"` with what JSON must have escaped. Returns 0 when it has no room or the value is unusable. */
static int member(char *out, size_t size, const char *name, const char *value) {
    size_t used = (size_t)snprintf(out, size, "\"%s\":\"", name);
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < 0x20 || used + 4 > size) {
            return 0;
        }
        if (*value == '"' || *value == '\\') {
            out[used++] = '\\';
        }
        out[used++] = *value;
    }
    if (used + 2 > size) {
        return 0;
    }
    out[used++] = '"';
    out[used] = '\0';
    return 1;
}

/* Reads the four hexadecimal digits of a \u escape. */
static unsigned long hex4(const char *text) {
    char digits[5] = {0};
    strncpy(digits, text, 4);
    return strtoul(digits, NULL, 16);
}

static void put_utf8(unsigned long c) {
    if (c < 0x80) {
        putchar((int)c);
    } else if (c < 0x800) {
        putchar((int)(0xc0 | c >> 6));
        putchar((int)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        putchar((int)(0xe0 | c >> 12));
        putchar((int)(0x80 | (c >> 6 & 0x3f)));
        putchar((int)(0x80 | (c & 0x3f)));
    } else {
        putchar((int)(0xf0 | c >> 18));
        putchar((int)(0x80 | (c >> 12 & 0x3f)));
        putchar((int)(0x80 | (c >> 6 & 0x3f)));
        putchar((int)(0x80 | (c & 0x3f)));
    }
}

/* Prints a JSON string, from behind its opening quote. Returns where its closing quote stands. */
static const char *print_string(const char *at) {
    for (; *at != '"' && *at != '\0'; at++) {
        unsigned long c;
        if (*at != '\\') {
            putchar(*at);
            continue;
        }
        at++;
        switch (*at) {
        case '\0': return at;
        case 'n': putchar('\n'); break;
        case 't': putchar('\t'); break;
        case 'r': case 'b': case 'f': break;
        case 'u':
            c = hex4(at + 1);
            at += strlen(at) < 5 ? strlen(at) - 1 : 4;
            if (c >= 0xd800 && c < 0xdc00 && at[1] == '\\' && at[2] == 'u') { /* a pair stands for one character */
                c = 0x10000 + ((c - 0xd800) << 10) + (hex4(at + 3) - 0xdc00);
                at += strlen(at) < 7 ? strlen(at) - 1 : 6;
            }
            put_utf8(c);
            break;
        default: putchar(*at); break;
        }
    }
    return at;
}

/*
 * Prints the result's member `screen`, an array of lines. A search for the text finds the member and nothing else:
 * inside a JSON string every quote has a backslash before it. A larger program takes a JSON library.
 */
static void print_screen(const char *result) {
    const char *at = strstr(result, "\"screen\":[");
    if (at == NULL) {
        return;
    }
    at += strlen("\"screen\":[");
    while (*at == '"') {
        at = print_string(at + 1);
        putchar('\n');
        if (*at == '"') {
            at++;
        }
        if (*at == ',') {
            at++;
        }
    }
}

/* Takes a task's events until it ends; shows the screen of its result. Returns 0 when it ended well. */
static int watch(const char *what, uint64_t task) {
    for (;;) {
        char *event, *error;
        /* Half a second at a time: a program with a window, or with Ctrl+C, looks around in between. */
        int32_t status = sspr_task_next(task, 500, &event, &error);
        if (status == SSPR_STATUS_PENDING) {
            continue;
        }
        if (status == SSPR_STATUS_ENDED) {
            return 0;
        }
        if (status != SSPR_STATUS_OK) {
            return failed(what, status, error);
        }
        if (strstr(event, "\"event\":\"result\"") != NULL) {
            print_screen(event);
        }
        sspr_string_free(event);
    }
}

/* Opens a session from the environment. */
static int open_session(uint64_t *session) {
    const char *tenant = getenv("SSPR_TENANT"), *login = getenv("SSPR_LOGIN"), *graph = getenv("SSPR_GRAPH");
    char a[512], b[512], c[512], config[2048];
    char *error;
    int32_t status;
    if (tenant == NULL || !member(a, sizeof a, "tenant", tenant)
        || !member(b, sizeof b, "login", login != NULL ? login : "https://login.microsoftonline.com")
        || !member(c, sizeof c, "graph", graph != NULL ? graph : "https://graph.microsoft.com")) {
        fprintf(stderr, "set SSPR_TENANT, SSPR_CLIENT_ID and SSPR_CLIENT_SECRET\n");
        return 1;
    }
    snprintf(config, sizeof config, "{%s,\"endpoints\":{%s,%s},\"caller\":\"check.c\"}", a, b, c);
    status = sspr_session_open(config, session, &error);
    return status == SSPR_STATUS_OK ? 0 : failed("sspr_session_open", status, error);
}

static int sign_in(uint64_t session) {
    const char *client = getenv("SSPR_CLIENT_ID"), *secret = getenv("SSPR_CLIENT_SECRET");
    char id[512], request[1024];
    char *error;
    uint64_t task;
    int32_t status;
    int outcome;
    if (client == NULL || secret == NULL || !member(id, sizeof id, "clientId", client)) {
        fprintf(stderr, "set SSPR_CLIENT_ID and SSPR_CLIENT_SECRET\n");
        return 1;
    }
    status = sspr_session_set_secret(session, "clientSecret", (const uint8_t *)secret, (uint32_t)strlen(secret), &error);
    if (status != SSPR_STATUS_OK) {
        return failed("sspr_session_set_secret", status, error);
    }
    snprintf(request, sizeof request, "{\"method\":\"clientSecret\",%s}", id);
    status = sspr_session_sign_in(session, request, &task, &error);
    if (status != SSPR_STATUS_OK) {
        return failed("sspr_session_sign_in", status, error);
    }
    outcome = watch("sign-in", task);
    sspr_task_close(task, NULL);
    return outcome;
}

static int check(uint64_t session) {
    char *error;
    uint64_t task;
    int outcome;
    int32_t status = sspr_check_readiness(session, "{}", &task, &error);
    if (status != SSPR_STATUS_OK) {
        return failed("sspr_check_readiness", status, error);
    }
    outcome = watch("check", task);
    sspr_task_close(task, NULL);
    return outcome;
}

int main(void) {
    uint64_t session;
    int outcome;
    if (sspr_abi_version() != 1) {
        fprintf(stderr, "this library's interface is of another version\n");
        return 1;
    }
    if (open_session(&session) != 0) {
        return 1;
    }
    outcome = sign_in(session);
    if (outcome == 0) {
        outcome = check(session);
    }
    sspr_session_close(session, NULL);
    return outcome;
}
