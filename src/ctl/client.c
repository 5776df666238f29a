/* client: what to type into a device. token: a hash and a signed query, for testing by hand. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/grid.h"
#include "ctl/qr.h"
#include "ctl/recipe.h"

static int run_client(struct ctl *ctl, const struct arguments *arguments);
static int run_token(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option client_options[] = {
    {.name = "for",
     .value = "DEVICE",
     .help = "the device or program; --devices lists them",
     .completion = COMPLETE_WORDS,
     .words = device_words},
    {.name = "devices", .help = "list the devices, and what a host's auth may be for each"},
    {.name = "qr", .help = "show the URL as a QR code also where this is no terminal"},
    {.name = NULL},
};
static const struct command_exit client_exits[] = {
    {EXIT_FINE, "the recipe fits the host"},
    {EXIT_WARNED, "the recipe was printed, but the host has to be changed first; standard error says how"},
    {0, NULL},
};

static const char *const token_modes[] = {"set", "clear", "list_hosts", NULL};
static const struct command_option token_options[] = {
    {.name = "ip", .value = "ADDRESS", .help = "the address that the request comes from, and that is set"},
    {.name = "mode",
     .value = "MODE",
     .help = "set (the default), clear or list_hosts",
     .completion = COMPLETE_WORDS,
     .words = token_modes},
    {.name = NULL},
};

const struct command commands_client[] = {
    {
        .name = "client",
        .arguments = "[HOST]",
        .least = 0,
        .most = 1,
        .summary = "prints what to type into a device, with the host's own values",
        .description =
            "It contains the host's secret. Where the device cannot prove the host in any way that its auth\n"
            "lists, the command that mends that is named.",
        .options = client_options,
        .exits = client_exits,
        .example = "ddns53ctl client home.example.com --for fritzbox",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_client,
    },
    {
        .name = "token",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "prints a hash and a signed query, for testing by hand",
        .description =
            "The hash is good for requests that come from that address, and as often as wanted; the signed query\n"
            "is good once, for five minutes, and to set an address from anywhere.",
        .options = token_options,
        .example = "ddns53ctl token laptop.example.com --ip 198.18.7.9",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_token,
    },
    {.name = NULL},
};

/* ---- what both need ---- */

/* The record types of a name's rows that have the secret of `host`. */
static unsigned record_types_of(const struct host *host)
{
    unsigned types = host->record_types;

    for (const struct host *row = host->more->next_same_name; row; row = row->more->next_same_name) {
        if (row->secret->is_set && memcmp(row->secret->sha256, host->secret->sha256, SHA256_SIZE) == 0) {
            types |= row->record_types;
        }
    }
    return types;
}

/* A host that proves itself: EXIT_FAILED after having said why one does not. */
static int find_client(struct ctl *ctl, const char *text, const struct host **ret_host)
{
    int status = ctl_host(ctl, text, ret_host);

    if (status == EXIT_FINE && !(*ret_host)->secret->is_set) {
        const char *router = (*ret_host)->more->follows ? (*ret_host)->more->follows->hostname : "another";
        ctl_error("%s follows %s, and has nothing to send: run this for %s", (*ret_host)->hostname, router, router);
        return EXIT_FAILED;
    }
    return status;
}

/* The secret as text; wiped by the caller. False: hosts.yaml has its SHA-256 only. */
static bool append_secret(const struct host *host, struct buffer *buffer)
{
    if (!host->secret->secret) {
        buffer_append_text(buffer, "SECRET");
        return false;
    }
    buffer_append(buffer, secret_bytes(host->secret->secret), secret_length(host->secret->secret));
    return true;
}

/* ---- client ---- */

static void print_auth(unsigned auth, struct buffer *buffer)
{
    size_t begin = buffer->length;

    for (unsigned scheme = 1; scheme <= AUTH_BASIC; scheme <<= 1U) {
        if ((auth & scheme) != 0) {
            buffer_printf(buffer, "%s%s", buffer->length > begin ? ", " : "", auth_scheme_text(scheme));
        }
    }
}

static int list_devices(const struct ctl *ctl)
{
    static const struct grid_column columns[] = {
        {"DEVICE", false}, {"WHAT", false}, {"AUTH", false}, {"RESTS ON", false}};
    _cleanup_grid_ struct grid grid;
    json_t *array = json_array();
    const struct device *device;

    grid_init(&grid, columns, ELEMENTS(columns));
    for (size_t i = 0; (device = device_at(i)); i++) {
        _cleanup_buffer_ struct buffer schemes = BUFFER_INIT;
        device_print_schemes(device, &schemes);
        grid_add(&grid, COLOR_STRONG, "%s", device->name);
        grid_add(&grid, COLOR_NONE, "%s", device->title);
        grid_add(&grid, COLOR_NONE, "%s", buffer_text(&schemes));
        grid_add(&grid, COLOR_DIM, "%s", device->source ? device->source : "a test that runs it");
        (void)json_array_append_new(array,
                                    json_pack("{s:s, s:s, s:s, s:s?}", "device", device->name, "title", device->title,
                                              "auth", buffer_text(&schemes), "source", device->source));
    }
    if (ctl->is_json) {
        return ctl_print_json(array);
    }
    json_decref(array);
    return grid_print(&grid, ctl);
}

struct recipe {
    const struct device *device;
    struct buffer url;
    struct buffer secret;
    struct buffer text;
    struct buffer qr_url;
    unsigned scheme;
    bool fits; /* the host's auth and the device */
};

static void recipe_done(struct recipe *recipe)
{
    buffer_done(&recipe->url);
    buffer_wipe(&recipe->secret);
    buffer_wipe(&recipe->text);
    buffer_wipe(&recipe->qr_url);
}

static void warn_of_auth(const struct host *host, const struct device *device)
{
    _cleanup_buffer_ struct buffer has = BUFFER_INIT;
    const unsigned all = AUTH_HASH | AUTH_SIGNED | AUTH_SECRET | AUTH_BASIC;

    print_auth(host->auth, &has);
    ctl_warning("%s has auth: [%s], and %s can do none of that; run: ddns53ctl set %s auth=%s", host->hostname,
                buffer_text(&has), device->title, host->hostname, auth_scheme_text(device_scheme(device, all)));
}

static int make_recipe(const struct settings *settings, const struct host *host, struct recipe *recipe,
                       bool *ret_is_whole)
{
    const unsigned all = AUTH_HASH | AUTH_SIGNED | AUTH_SECRET | AUTH_BASIC;
    bool is_guess;

    recipe_url(settings, &recipe->url, &is_guess);
    bool has_secret = append_secret(host, &recipe->secret);
    if (is_guess) {
        ctl_warning("server.public_url is not set, so that %s is a guess; set it to the URL under which clients reach "
                    "the daemon",
                    buffer_text(&recipe->url));
    }
    if (!has_secret) {
        ctl_warning("hosts.yaml has only the SHA-256 of the secret of %s: put the secret itself where SECRET stands",
                    host->hostname);
    }
    recipe->scheme = device_scheme(recipe->device, host->auth);
    recipe->fits = recipe->scheme != 0;
    if (!recipe->fits) {
        warn_of_auth(host, recipe->device);
        recipe->scheme = device_scheme(recipe->device, all);
    }
    const char *server = strstr(buffer_text(&recipe->url), "://");
    const struct recipe_values values = {
        .url = buffer_text(&recipe->url),
        .server = server ? server + 3 : buffer_text(&recipe->url),
        .host = host,
        .secret = buffer_text(&recipe->secret),
        .record_types = record_types_of(host),
        .scheme = recipe->scheme,
    };
    int r = recipe_write(recipe->device->recipe, &values, &recipe->text);
    if (r == 0 && recipe->device->qr) {
        r = recipe_write(recipe->device->qr, &values, &recipe->qr_url);
    }
    *ret_is_whole = recipe->fits && has_secret;
    return r < 0 ? r : buffer_status(&recipe->text);
}

static int print_recipe_json(const struct host *host, const struct recipe *recipe)
{
    return ctl_print_json(json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s?, s:s?}", "hostname", host->hostname, "device",
                                    recipe->device->name, "scheme", auth_scheme_text(recipe->scheme), "fits",
                                    (int)recipe->fits, "url", buffer_text(&recipe->url), "recipe",
                                    buffer_text(&recipe->text), "source", recipe->device->source, "qr_url",
                                    recipe->device->qr ? buffer_text(&recipe->qr_url) : NULL));
}

static int print_qr(const struct recipe *recipe, bool is_asked)
{
    struct buffer code = BUFFER_INIT;
    int r = qr_write(buffer_text(&recipe->qr_url), &code);

    if (r == 0) {
        ctl_print("%s", buffer_text(&code));
    } else if (is_asked) {
        ctl_error("no QR code: %s", r == -ENOSYS ? "ddns53ctl was built without libqrencode" : strerror(-r));
    }
    buffer_wipe(&code);
    return r < 0 && is_asked ? EXIT_FAILED : EXIT_FINE;
}

int client_device(const char *name, const struct device **ret_device)
{
    *ret_device = name ? device_find(name) : NULL;
    if (name && !*ret_device) {
        ctl_error("--for %s: there is no recipe for that; \"ddns53ctl client --devices\" lists them, "
                  "generic is for all others",
                  name);
        return EXIT_UNKNOWN;
    }
    return EXIT_FINE;
}

int client_print(struct ctl *ctl, const struct settings *settings, const struct host *host, const struct device *device,
                 bool with_qr)
{
    _cleanup_(recipe_done) struct recipe recipe = {.device = device};
    bool is_whole;
    int r = make_recipe(settings, host, &recipe, &is_whole);

    if (r < 0) {
        return ctl_no_memory();
    }
    if (ctl->is_json) {
        int status = print_recipe_json(host, &recipe);
        return status != EXIT_FINE || is_whole ? status : EXIT_WARNED;
    }
    ctl_print("%s", buffer_text(&recipe.text));
    if (device->source) {
        ctl_print("%s# Rests on %s; nobody has seen the device do it.%s\n", ctl_color(ctl, COLOR_DIM), device->source,
                  ctl_plain(ctl));
    }
    int status = EXIT_FINE;
    if (device->qr && (with_qr || ctl->is_terminal)) {
        status = print_qr(&recipe, with_qr);
    } else if (with_qr) {
        ctl_error("%s has no URL that a QR code could carry", device->title);
        status = EXIT_FAILED;
    }
    return status != EXIT_FINE || is_whole ? status : EXIT_WARNED;
}

static int run_client(struct ctl *ctl, const struct arguments *arguments)
{
    const char *name = option_value(arguments, "for");
    const struct settings *settings;
    const struct device *device;
    const struct host *host;

    if (option_given(arguments, "devices")) {
        return list_devices(ctl);
    }
    if (argument_count(arguments) == 0 || !name) {
        ctl_error("client: name a HOST, and the device with --for; \"ddns53ctl client --devices\" lists those");
        return EXIT_USAGE;
    }
    int status = client_device(name, &device);
    status = status == EXIT_FINE ? ctl_settings(ctl, &settings) : status;
    status = status == EXIT_FINE ? find_client(ctl, argument_at(arguments, 0), &host) : status;
    return status == EXIT_FINE ? client_print(ctl, settings, host, device, option_given(arguments, "qr")) : status;
}

/* ---- token ---- */

#define NONCE_BYTES 16

/* See ddns53-api(7), Signed requests: six lines, each ended by a newline. */
static void sign(const struct host *host, const char *mode, const char *address, int64_t now_s, struct buffer *query)
{
    _cleanup_buffer_ struct buffer lines = BUFFER_INIT;
    uint8_t random[NONCE_BYTES], digest[SHA256_SIZE];
    char nonce[2 * NONCE_BYTES + 1], signature[2 * SHA256_SIZE + 1];

    random_bytes(random, sizeof(random));
    print_hex(random, sizeof(random), nonce);
    buffer_printf(&lines, "ddns53-1\n%s\n%s\n%s\n%lld\n%s\n", mode, host->hostname, address, (long long)now_s, nonce);
    const struct bytes part = {buffer_text(&lines), lines.length};
    hmac_sha256(secret_bytes(host->secret->secret), secret_length(host->secret->secret), &part, 1, digest);
    print_hex(digest, sizeof(digest), signature);
    buffer_printf(query, "mode=%s&hostname=%s", mode, host->hostname);
    if (strcmp(mode, "set") == 0) { /* the others take none, and then the source address is what is signed */
        buffer_printf(query, "&internalIp=%s", address);
    }
    buffer_printf(query, "&time=%lld&nonce=%s&signature=%s", (long long)now_s, nonce, signature);
}

static void make_hash(const struct host *host, const char *address, char ret_hash[2 * SHA256_SIZE + 1])
{
    const struct bytes parts[] = {
        {address, strlen(address)},
        {host->hostname, strlen(host->hostname)},
        {secret_bytes(host->secret->secret), secret_length(host->secret->secret)},
    };
    uint8_t digest[SHA256_SIZE];

    sha256(parts, ELEMENTS(parts), digest);
    print_hex(digest, sizeof(digest), ret_hash);
}

static int print_token(struct ctl *ctl, const struct settings *settings, const struct host *host, const char *mode,
                       const char *address)
{
    _cleanup_buffer_ struct buffer url = BUFFER_INIT;
    _cleanup_buffer_ struct buffer hashed = BUFFER_INIT;
    _cleanup_buffer_ struct buffer query = BUFFER_INIT;
    char hash[2 * SHA256_SIZE + 1];
    bool is_guess;

    recipe_url(settings, &url, &is_guess);
    make_hash(host, address, hash);
    buffer_printf(&hashed, "mode=%s&hostname=%s&hash=%s", mode, host->hostname, hash);
    sign(host, mode, address, clock_realtime_s(clock_system()), &query);
    if (buffer_status(&url) < 0 || buffer_status(&hashed) < 0 || buffer_status(&query) < 0) {
        return ctl_no_memory();
    }
    if (ctl->is_json) {
        return ctl_print_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "hostname", host->hostname, "address",
                                        address, "url", buffer_text(&url), "hash", hash, "query", buffer_text(&hashed),
                                        "signed_query", buffer_text(&query)));
    }
    ctl_print("hash    %s\n", hash);
    ctl_print("hashed  %s/?%s\n", buffer_text(&url), buffer_text(&hashed));
    ctl_print("signed  %s/?%s\n", buffer_text(&url), buffer_text(&query));
    return EXIT_FINE;
}

static bool is_mode(const char *text)
{
    for (size_t i = 0; token_modes[i]; i++) {
        if (strcmp(token_modes[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static int run_token(struct ctl *ctl, const struct arguments *arguments)
{
    const char *ip = option_value(arguments, "ip");
    const char *mode = option_value(arguments, "mode");
    const struct settings *settings;
    const struct host *host;
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    mode = mode ? mode : "set";
    if (!ip || address_parse(ip, strlen(ip), &address) < 0) {
        ctl_error("token: --ip needs the IPv4 or IPv6 address that the request will come from");
        return EXIT_USAGE;
    }
    if (!is_mode(mode)) {
        ctl_error("--mode %s: is none of set, clear and list_hosts", mode);
        return EXIT_USAGE;
    }
    address_print(&address, text);
    int status = ctl_settings(ctl, &settings);
    if (status == EXIT_FINE) {
        status = find_client(ctl, argument_at(arguments, 0), &host);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    if (!host->secret->secret) {
        ctl_error("hosts.yaml has only the SHA-256 of the secret of %s, which can neither be hashed nor sign",
                  host->hostname);
        return EXIT_FAILED;
    }
    if ((host->auth & (AUTH_HASH | AUTH_SIGNED)) != (AUTH_HASH | AUTH_SIGNED)) {
        ctl_warning("%s lists %s%s in its auth, so that the daemon will refuse %s", host->hostname,
                    (host->auth & AUTH_HASH) != 0     ? "hash and not signed"
                    : (host->auth & AUTH_SIGNED) != 0 ? "signed and not hash"
                                                      : "neither hash nor signed",
                    "", (host->auth & (AUTH_HASH | AUTH_SIGNED)) != 0 ? "the other" : "both");
    }
    return print_token(ctl, settings, host, mode, text);
}
