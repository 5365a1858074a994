/*
 * Holds the C interface to what its header promises: every function with NULLs, with stale, doubled and mistaken
 * handles, with random bytes; thousands of sessions and tasks without growth; defects that are caught.
 *
 * It compiles as C99, C11, C17 and C++17. tests/c_programs.rs builds and runs it, and makes starters.h from the
 * header: SESSION_STARTERS(X) and OFFLINE_STARTERS(X) name every function that starts a task.
 *
 *   smoke ROUNDS FOLDER     SSPR_TEST_FAULTS=1: the library is a debug build, which lets faults be asked for
 */
#if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200112L /* setenv */
#endif

#include "entra_sspr.h"
#include "entra_sspr.h" /* twice, on purpose */
#include "starters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) require((condition) != 0, #condition, __LINE__)

static const char SNAPSHOT[] =
    "{\"schemaVersion\":1,\"libraryVersion\":\"0\",\"takenAt\":\"2026-11-23T09:00:00Z\",\"durationMs\":1,"
    "\"signedIn\":{},\"facts\":{}}";

static void require(int holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "smoke.c:%d: %s\n", line, condition);
        exit(1);
    }
}

/* Checks a refusal: the status, that an error document tells of it, and frees that. */
static void refused_at(int32_t status, int32_t wanted, char *error, int line) {
    char code[32];
    snprintf(code, sizeof code, "{\"code\":%d,", (int)wanted);
    if (status != wanted || error == NULL || strncmp(error, code, strlen(code)) != 0) {
        fprintf(stderr, "smoke.c:%d: wanted %d, got %d %s\n", line, (int)wanted, (int)status, error ? error : "NULL");
        exit(1);
    }
    sspr_string_free(error);
}
#define REFUSED(call, wanted)                                                                                          \
    do {                                                                                                               \
        char *error = text_garbage;                                                                                    \
        int32_t status = (call);                                                                                       \
        refused_at(status, wanted, error, __LINE__);                                                                   \
    } while (0)

/* What outputs hold before a call: each must be overwritten. */
static char garbage[] = "garbage";
static char *const text_garbage = garbage;
static const uint64_t number_garbage = 0xdeadbeef;

struct session_starter {
    const char *name;
    int32_t (*start)(uint64_t, const char *, uint64_t *, char **);
};
struct offline_starter {
    const char *name;
    int32_t (*start)(const char *, uint64_t *, char **);
};
#define ENTRY(function) {#function, function},
static const struct session_starter session_starters[] = {SESSION_STARTERS(ENTRY)};
static const struct offline_starter offline_starters[] = {OFFLINE_STARTERS(ENTRY)};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t open_session(void) {
    uint64_t session = 0;
    char *error = NULL;
    REQUIRE(sspr_session_open("{\"caller\":\"smoke\"}", &session, &error) == SSPR_STATUS_OK);
    REQUIRE(session != 0 && error == NULL);
    return session;
}

static uint64_t start_load(void) {
    uint64_t task = 0;
    REQUIRE(sspr_snapshot_load("{\"path\":\"/nonexistent/snapshot.json\"}", &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(task != 0);
    return task;
}

/* Takes a task's events to its end. Returns its last status; `result` receives the result event, where there is one. */
static int32_t run(uint64_t task, char **result, char **error) {
    int32_t status;
    *result = NULL;
    for (;;) {
        char *event = text_garbage;
        status = sspr_task_next(task, 60000, &event, error);
        if (status != SSPR_STATUS_OK) {
            REQUIRE(event == NULL);
            return status;
        }
        if (strstr(event, "\"event\":\"result\"") != NULL) {
            REQUIRE(*result == NULL);
            *result = event;
        } else {
            sspr_string_free(event);
        }
    }
}

static void nulls(void) {
    uint64_t session = open_session();
    uint64_t task = start_load();
    uint64_t number;
    char *text;
    size_t i;

    number = number_garbage;
    REFUSED(sspr_session_open(NULL, &number, &error), SSPR_STATUS_ARGUMENT_NULL);
    REQUIRE(number == 0);
    REFUSED(sspr_session_open("{}", NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REQUIRE(sspr_session_open(NULL, NULL, NULL) == SSPR_STATUS_ARGUMENT_NULL);

    REFUSED(sspr_session_set_secret(session, NULL, (const uint8_t *)"x", 1, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_session_set_secret(session, "clientSecret", NULL, 1, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_session_set_secret(session, "clientSecret", NULL, 0, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_session_set_secret(session, "clientSecret", (const uint8_t *)"x", 0, &error),
            SSPR_STATUS_ARGUMENT_INVALID);
    REFUSED(sspr_session_set_secret(session, "clientSecret", (const uint8_t *)"x", 0xffffffffu, &error),
            SSPR_STATUS_ARGUMENT_INVALID);

    text = text_garbage;
    REQUIRE(sspr_session_state(0, &text, NULL) == SSPR_STATUS_HANDLE_INVALID && text == NULL);
    REFUSED(sspr_session_state(session, NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REQUIRE(sspr_session_state(session, &text, NULL) == SSPR_STATUS_OK);
    REQUIRE(strcmp(text, "{\"signedIn\":false}") == 0);
    sspr_string_free(text);

    for (i = 0; i < COUNT(session_starters); i++) {
        number = number_garbage;
        REFUSED(session_starters[i].start(session, NULL, &number, &error), SSPR_STATUS_ARGUMENT_NULL);
        REQUIRE(number == 0);
        REFUSED(session_starters[i].start(session, "{}", NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
        REQUIRE(session_starters[i].start(session, NULL, NULL, NULL) == SSPR_STATUS_ARGUMENT_NULL);
    }
    for (i = 0; i < COUNT(offline_starters); i++) {
        number = number_garbage;
        REFUSED(offline_starters[i].start(NULL, &number, &error), SSPR_STATUS_ARGUMENT_NULL);
        REQUIRE(number == 0);
        REFUSED(offline_starters[i].start("{}", NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
        REQUIRE(offline_starters[i].start(NULL, NULL, NULL) == SSPR_STATUS_ARGUMENT_NULL);
    }

    REFUSED(sspr_task_next(task, 0, NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_task_reply(task, NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_task_reply(task, "{\"id\":1}", &error), SSPR_STATUS_TASK_REPLY);
    REFUSED(sspr_check_list(NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REQUIRE(sspr_check_list(&text, NULL) == SSPR_STATUS_OK && strncmp(text, "{\"checks\":[", 11) == 0);
    sspr_string_free(text);
    sspr_string_free(NULL);
    REFUSED(sspr_error_resolve(NULL, &text, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_error_resolve("{}", NULL, &error), SSPR_STATUS_ARGUMENT_NULL);
    REFUSED(sspr_error_resolve("{}", &text, &error), SSPR_STATUS_ARGUMENT_INVALID);
    REFUSED(sspr_error_resolve("{", &text, &error), SSPR_STATUS_ARGUMENT_JSON);
    REQUIRE(text == NULL);
    REQUIRE(sspr_error_resolve("{\"text\":\"SSPR_0029\"}", &text, NULL) == SSPR_STATUS_OK &&
            strncmp(text, "{\"causes\":[{", 12) == 0);
    sspr_string_free(text);
    REQUIRE(sspr_abi_version() != 0 && strlen(sspr_version()) >= 5);

    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
    REQUIRE(sspr_session_close(session, NULL) == SSPR_STATUS_OK);
}

/* Every function that takes a handle refuses this one with that status. */
static void bad_session(uint64_t session, int32_t wanted) {
    uint64_t number;
    char *text = text_garbage;
    size_t i;
    REFUSED(sspr_session_set_secret(session, "clientSecret", (const uint8_t *)"x", 1, &error), wanted);
    REFUSED(sspr_session_state(session, &text, &error), wanted);
    REQUIRE(text == NULL);
    REFUSED(sspr_session_close(session, &error), wanted);
    for (i = 0; i < COUNT(session_starters); i++) {
        number = number_garbage;
        REFUSED(session_starters[i].start(session, "{}", &number, &error), wanted);
        REQUIRE(number == 0);
    }
}

static void bad_task(uint64_t task, int32_t wanted) {
    char *text = text_garbage;
    REFUSED(sspr_task_next(task, 0, &text, &error), wanted);
    REQUIRE(text == NULL);
    REFUSED(sspr_task_reply(task, "{\"id\":1}", &error), wanted);
    REFUSED(sspr_task_cancel(task, &error), wanted);
    REFUSED(sspr_task_close(task, &error), wanted);
}

static void handles(void) {
    uint64_t session = open_session();
    uint64_t task = start_load();
    uint64_t again;
    const uint64_t wrong[] = {0, 1, 0xffffffffu, UINT64_MAX, session + 1, session ^ (UINT64_C(1) << 32)};
    size_t i;

    bad_session(task, SSPR_STATUS_HANDLE_TYPE);
    bad_task(session, SSPR_STATUS_HANDLE_TYPE);
    for (i = 0; i < COUNT(wrong); i++) {
        bad_session(wrong[i], SSPR_STATUS_HANDLE_INVALID);
    }
    REQUIRE(sspr_session_close(session, NULL) == SSPR_STATUS_OK);
    bad_session(session, SSPR_STATUS_HANDLE_INVALID);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
    bad_task(task, SSPR_STATUS_HANDLE_INVALID);

    /* The slot is used again; the old handle still means nothing. */
    again = open_session();
    REQUIRE(again != session);
    bad_session(session, SSPR_STATUS_HANDLE_INVALID);
    REQUIRE(sspr_session_close(again, NULL) == SSPR_STATUS_OK);
}

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Random bytes, or a document of ours with one byte changed; always terminated. */
static void random_text(char *text, size_t size) {
    static const char *const documents[] = {
        "{\"tenant\":\"contoso.com\",\"cloud\":\"Public\",\"endpoints\":{\"graph\":\"http://127.0.0.1:1\"}}",
        "{\"method\":\"clientSecret\",\"clientId\":\"x\"}",
        "{\"steps\":[\"license\"],\"severity\":\"Low\",\"timeBudgetSeconds\":1,\"utcOffsetMinutes\":60}",
        "{\"snapshot\":\"{\\\"schemaVersion\\\":1}\"}",
        "{\"id\":1,\"result\":{}}",
        "clientSecret",
    };
    size_t length, i;
    if (next_random() % 2 == 0) {
        const char *document = documents[next_random() % COUNT(documents)];
        length = strlen(document);
        memcpy(text, document, length + 1);
        text[next_random() % length] = (char)(next_random() % 256);
    } else {
        length = (size_t)(next_random() % (size - 1));
        for (i = 0; i < length; i++) {
            text[i] = (char)(next_random() % 256);
        }
        text[length] = '\0';
    }
}

/* Whatever came: an error has a document, a started task is closed. */
static void settle(int32_t status, uint64_t task, char *error) {
    if (status == SSPR_STATUS_OK) {
        REQUIRE(task != 0 && error == NULL);
        REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
    } else {
        REQUIRE(status >= 100 && status < SSPR_STATUS_PANIC && task == 0 && error != NULL);
        sspr_string_free(error);
    }
}

static void random_bytes(int rounds) {
    uint64_t session = open_session();
    char text[200];
    size_t i;
    int round;
    for (round = 0; round < rounds; round++) {
        uint64_t number = number_garbage;
        uint64_t task = start_load();
        char *error = text_garbage;
        int32_t status;
        random_text(text, sizeof text);
        status = sspr_session_open(text, &number, &error);
        if (status == SSPR_STATUS_OK) {
            REQUIRE(sspr_session_close(number, NULL) == SSPR_STATUS_OK);
        } else {
            settle(status, number, error);
        }
        error = text_garbage;
        status = sspr_session_set_secret(session, text, (const uint8_t *)text, (uint32_t)sizeof text, &error);
        if (status != SSPR_STATUS_OK) {
            settle(status, 0, error);
        }
        for (i = 0; i < COUNT(session_starters); i++) {
            status = session_starters[i].start(session, text, &number, &error);
            settle(status, number, error);
        }
        for (i = 0; i < COUNT(offline_starters); i++) {
            status = offline_starters[i].start(text, &number, &error);
            settle(status, number, error);
        }
        status = sspr_task_reply(task, text, &error);
        settle(status, 0, error);
        REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
    }
    REQUIRE(sspr_session_close(session, NULL) == SSPR_STATUS_OK);
}

/* Resident pages, where the system tells. */
static long resident(void) {
    long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &size, &pages) != 2) {
            pages = 0;
        }
        fclose(file);
    }
    return pages;
}

static void no_growth(int rounds) {
    long before = 0;
    uint64_t highest = 0;
    int round;
    for (round = 0; round < rounds; round++) {
        uint64_t session = open_session();
        uint64_t task = start_load();
        char *result, *error;
        if (round % 2 == 0) { /* one is taken to its end, one is closed under way */
            REQUIRE(run(task, &result, &error) == SSPR_STATUS_FILE_READ && result == NULL);
            sspr_string_free(error);
        }
        if ((task & 0xffffffffu) > highest) {
            highest = task & 0xffffffffu;
        }
        if ((session & 0xffffffffu) > highest) {
            highest = session & 0xffffffffu;
        }
        REQUIRE(sspr_session_close(session, NULL) == SSPR_STATUS_OK);
        REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
        if (round == rounds / 5) {
            before = resident();
        }
    }
    printf("%d sessions and tasks: highest slot %lu, %ld pages more\n", rounds, (unsigned long)highest,
           resident() - before);
    REQUIRE(highest < 8);
    REQUIRE(resident() - before < 1024); /* 4 MiB */
}

/* A snapshot is saved, loaded and judged. */
static void snapshots(const char *folder) {
    char request[2048], escaped[1024];
    char *result, *error;
    uint64_t task = 0;
    size_t from, to = 0;
    for (from = 0; SNAPSHOT[from] != '\0'; from++) {
        if (SNAPSHOT[from] == '"') {
            escaped[to++] = '\\';
        }
        escaped[to++] = SNAPSHOT[from];
    }
    escaped[to] = '\0';
    snprintf(request, sizeof request, "{\"snapshot\":\"%s\",\"path\":\"%s/s.json\",\"overwrite\":true}", escaped, folder);
    REQUIRE(sspr_snapshot_save(request, &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && result != NULL && error == NULL);
    sspr_string_free(result);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && result == NULL); /* it stays ended */
    REQUIRE(sspr_task_cancel(task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && result == NULL);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);

    snprintf(request, sizeof request, "{\"path\":\"%s/s.json\"}", folder);
    REQUIRE(sspr_snapshot_load(request, &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && strstr(result, "schemaVersion") != NULL);
    sspr_string_free(result);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);

    snprintf(request, sizeof request, "{\"path\":\"%s/s.json\",\"utcOffsetMinutes\":-480}", folder);
    REQUIRE(sspr_snapshot_assess(request, &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && strstr(result, "\"screen\":[\"") != NULL);
    REQUIRE(strstr(result, "SSPR_FAULT") == NULL);
    sspr_string_free(result);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
}

/* A session that is closed, or was never signed in, under its tasks. */
static void ends(void) {
    uint64_t session = open_session();
    uint64_t task = 0;
    char *result, *error, *event;
    REQUIRE(sspr_check_readiness(session, "{}", &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(sspr_session_close(session, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_SIGN_IN_NEEDED && result == NULL);
    sspr_string_free(error);
    REFUSED(sspr_task_next(task, 0, &event, &error), SSPR_STATUS_SIGN_IN_NEEDED); /* its error stays */
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);
}

static void defects(const char *folder) {
    char request[1024];
    char *text = text_garbage;
    char *result, *error;
    uint64_t task = 0;

    setenv("SSPR_FAULT", "panic:call", 1);
    error = text_garbage;
    REQUIRE(sspr_check_list(&text, &error) == SSPR_STATUS_PANIC && error != NULL);
    REQUIRE(strstr(error, "a defect was caught at src/") != NULL && strstr(error, "Internal.Panic") != NULL);
    sspr_string_free(error);
    REQUIRE(sspr_check_list(&text, NULL) == SSPR_STATUS_PANIC);

    setenv("SSPR_FAULT", "panic:task", 1);
    REQUIRE(sspr_snapshot_load("{\"path\":\"x\"}", &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_PANIC && result == NULL);
    REQUIRE(strstr(error, "a defect was caught at src/") != NULL);
    sspr_string_free(error);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);

    /* A step's defect is a finding; the other steps are judged. */
    setenv("SSPR_FAULT", "panic:license", 1);
    snprintf(request, sizeof request, "{\"path\":\"%s/s.json\"}", folder);
    REQUIRE(sspr_snapshot_assess(request, &task, NULL) == SSPR_STATUS_OK);
    REQUIRE(run(task, &result, &error) == SSPR_STATUS_ENDED && result != NULL);
    REQUIRE(strstr(result, "a defect was caught at src/") != NULL && strstr(result, "\"status\":\"Error\"") != NULL);
    sspr_string_free(result);
    REQUIRE(sspr_task_close(task, NULL) == SSPR_STATUS_OK);

    unsetenv("SSPR_FAULT");
    REQUIRE(sspr_check_list(&text, NULL) == SSPR_STATUS_OK); /* and the process lives */
    sspr_string_free(text);
}

int main(int argc, char **argv) {
    int rounds = argc == 3 ? atoi(argv[1]) : 0;
    if (rounds <= 0) {
        fprintf(stderr, "usage: smoke ROUNDS FOLDER\n");
        return 2;
    }
    nulls();
    handles();
    snapshots(argv[2]);
    ends();
    if (getenv("SSPR_TEST_FAULTS") != NULL) {
        defects(argv[2]);
    }
    random_bytes(rounds / 10 + 20);
    no_growth(rounds);
    puts("the C interface holds");
    return 0;
}
