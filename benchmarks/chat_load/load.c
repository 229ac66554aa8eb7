// Load generator of the chat benchmarks: WebSocket connections over raw sockets on one core; every delivery is timed.
//
// Usage: load chat|socketio TOKENS ADDRESS...   (ADDRESS is a TCP port on 127.0.0.1 or the path of a Unix socket)
// Reads commands from standard input and answers each with one line of JSON:
//   open COUNT AT_ONCE ROOMS STALLED   connect and say hello; ROOMS 0 joins none; the first STALLED never read again
//   send RATE SECONDS SIZE             all connections in turn send RATE messages a second in all
//   wait SECONDS                       answer pings
// A message carries the moment it was due, so a sender that is late makes the latency longer, not shorter.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 20000
#define BUFFER (4 << 20)
#define SLOTS 200000 // latencies up to 20 s, in steps of 0.1 ms
#define SLOT_US 100
#define GRACE_US 3000000
#define MARK "\"text\":\"t="

enum state { CONNECTING, UPGRADING, GREETING, READY, STALLED, CLOSED };
struct connection {
  enum state state;
  int fd, number;
  uint64_t started;
  unsigned char *rest;
  size_t rest_length;
};

static struct connection connections[MAX_CONNECTIONS];
static char *tokens[MAX_CONNECTIONS], **addresses;
static int epoll, opened, joined, failed, rooms, stalled, address_count, token_count, wrapped;
static uint64_t deliveries, phase_start, last_delivery;
static uint32_t latencies[SLOTS];
static unsigned char buffer[BUFFER];

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void record(uint64_t microseconds) {
  uint64_t slot = microseconds / SLOT_US;
  latencies[slot < SLOTS ? slot : SLOTS - 1]++;
}

static double percentile(double share) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < SLOTS; i++) total += latencies[i];
  for (int i = 0; i < SLOTS; i++)
    if ((seen += latencies[i]) && seen >= total * share) return (i + 1) * SLOT_US / 1000.0;
  return 0;
}

static void shut(struct connection *c) {
  if (c->state == CONNECTING || c->state == UPGRADING || c->state == GREETING) failed++;
  close(c->fd);
  c->state = CLOSED;
}

// Every frame is tiny beside a socket's buffer: what does not fit means that the server has stopped reading.
static int send_bytes(struct connection *c, const void *data, size_t length) {
  if (send(c->fd, data, length, MSG_NOSIGNAL) == (ssize_t)length) return 1;
  shut(c);
  return 0;
}

// A client's frame must be masked; a mask of zeros leaves the payload as it is.
static int send_frame(struct connection *c, int opcode, const char *payload, size_t length) {
  unsigned char frame[70000] = {0x80 | opcode};
  size_t head = 2;
  if (length < 126) frame[1] = 0x80 | length;
  else frame[1] = 0x80 | 126, frame[2] = length >> 8, frame[3] = length, head = 4;
  memcpy(frame + head + 4, payload, length);
  return send_bytes(c, frame, head + 4 + length);
}

// A Socket.IO event is the same JSON, wrapped.
static int send_json(struct connection *c, const char *type, const char *json) {
  char text[66000];
  if (!wrapped) return send_frame(c, 1, json, strlen(json));
  return send_frame(c, 1, text, snprintf(text, sizeof text, "42[\"%s\",%s]", type, json));
}

static void say_hello(struct connection *c) {
  char json[2048], room[64] = "";
  if (rooms) snprintf(room, sizeof room, "\"bench%d\":null", c->number % rooms);
  const char *token = token_count ? tokens[c->number % token_count] : "";
  snprintf(json, sizeof json, "{\"type\":\"hello\",\"name\":\"user%d\",\"rooms\":{%s}%s%s%s}", c->number, room,
           *token ? ",\"token\":\"" : "", token, *token ? "\"" : "");
  send_json(c, "hello", json);
}

static int say(struct connection *c, uint64_t due, int size) {
  static uint64_t count;
  static char padding[32768], json[40000];
  if (!*padding) memset(padding, 'x', sizeof padding - 1);
  snprintf(json, sizeof json, "{\"type\":\"send\",\"room\":\"bench%d\",\"text\":\"t=%llu %.*s\",\"cid\":\"load-%d-%llu\"}",
           c->number % rooms, (unsigned long long)due, size, padding, (int)getpid(), (unsigned long long)count++);
  return send_json(c, "send", json);
}

static void join_done(struct connection *c) {
  record(now_us() - c->started);
  joined++;
  c->state = READY;
  if (c->number >= stalled) return;
  c->state = STALLED;
  epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

static int begins(const unsigned char *payload, size_t length, const char *type) {
  const char *before = wrapped ? "42[\"" : "{\"type\":\"";
  size_t head = strlen(before), size = strlen(type);
  return length > head + size && memcmp(payload, before, head) == 0 && memcmp(payload + head, type, size) == 0 &&
         payload[head + size] == '"';
}

static void take_delivery(const unsigned char *payload, size_t length) {
  const char *mark = memmem(payload, length, MARK, sizeof MARK - 1);
  uint64_t due = mark ? strtoull(mark + sizeof MARK - 1, NULL, 10) : 0, now = now_us();
  if (due < phase_start) return;
  deliveries++;
  last_delivery = now;
  record(now - due);
}

static void take_text(struct connection *c, const unsigned char *payload, size_t length) {
  if (begins(payload, length, "message")) return take_delivery(payload, length);
  if (wrapped && length > 0 && payload[0] == '0') send_frame(c, 1, "40", 2);
  else if (wrapped && length > 1 && memcmp(payload, "40", 2) == 0) say_hello(c);
  else if (wrapped && length == 1 && payload[0] == '2') send_frame(c, 1, "3", 1);
  else if (c->state == GREETING && begins(payload, length, rooms ? "history" : "welcome")) join_done(c);
}

// One frame at `data`, or 0 where it is not whole yet; else its size.
static size_t take_frame(struct connection *c, const unsigned char *data, size_t length) {
  if (length < 2) return 0;
  size_t head = 2, size = data[1] & 127;
  if (size >= 126) head += size == 126 ? 2 : 8;
  if (length < head) return 0;
  if (head > 2) {
    size = 0;
    for (size_t i = 2; i < head; i++) size = size << 8 | data[i];
  }
  if (length < head + size) return 0;
  int opcode = data[0] & 15;
  if (opcode == 1) take_text(c, data + head, size);
  if (opcode == 9) send_frame(c, 10, (const char *)data + head, size);
  return head + size;
}

// The answer to the upgrade, or 0 where it is not whole yet; else its size.
static size_t take_upgrade(struct connection *c, const unsigned char *data, size_t length) {
  const unsigned char *end = memmem(data, length, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(data, "HTTP/1.1 101", 12) != 0) return shut(c), length;
  c->state = GREETING;
  if (!wrapped) say_hello(c);
  return end + 4 - data;
}

static void on_readable(struct connection *c) {
  memcpy(buffer, c->rest, c->rest_length);
  ssize_t got = recv(c->fd, buffer + c->rest_length, BUFFER - c->rest_length, 0);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) shut(c);
    return;
  }
  size_t length = c->rest_length + got, taken = 0, size = 1;
  while (taken < length && size > 0 && c->state != CLOSED && c->state != STALLED) {
    size = (c->state == UPGRADING ? take_upgrade : take_frame)(c, buffer + taken, length - taken);
    taken += size;
  }
  c->rest_length = length - taken;
  free(c->rest);
  c->rest = c->rest_length ? memcpy(malloc(c->rest_length), buffer + taken, c->rest_length) : NULL;
}

static void on_connected(struct connection *c) {
  char request[512];
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        wrapped ? "/socket.io/?EIO=4&transport=websocket" : "/ws");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  c->state = UPGRADING;
  if (send_bytes(c, request, length)) epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static int connect_to(const char *address) {
  int is_path = *address == '/', on = 1, fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
  struct linger abort_on_close = {1, 0}; // no TIME_WAIT: the next server shall find free ports
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(atoi(address)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  snprintf(path.sun_path, sizeof path.sun_path, "%s", address);
  int result = is_path ? connect(fd, (struct sockaddr *)&path, sizeof path) : connect(fd, (struct sockaddr *)&port, sizeof port);
  if (!is_path) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return result == 0 ? fd : (close(fd), -1);
}

static void begin(struct connection *c, int number) {
  *c = (struct connection){.state = CONNECTING, .number = number, .started = now_us()};
  c->fd = connect_to(addresses[number % address_count]);
  if (c->fd < 0) {
    c->state = CLOSED;
    failed++;
    return;
  }
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void poll_once(int milliseconds) {
  struct epoll_event events[1024];
  int count = epoll_wait(epoll, events, 1024, milliseconds);
  for (int i = 0; i < count; i++) {
    struct connection *c = events[i].data.ptr;
    if (c->state == CONNECTING) on_connected(c);
    else if (c->state != CLOSED) on_readable(c);
  }
}

static void start_phase(void) {
  memset(latencies, 0, sizeof latencies);
  deliveries = 0;
  phase_start = last_delivery = now_us();
}

static void open_all(int count, int at_once) {
  int before = joined, target = opened + count;
  start_phase();
  failed = 0;
  while (joined - before + failed < count) {
    while (opened < target && opened - (target - count) - (joined - before) - failed < at_once) {
      begin(&connections[opened], opened);
      opened++;
    }
    poll_once(100);
  }
  double seconds = (now_us() - phase_start) / 1e6;
  printf("{\"joined\":%d,\"failed\":%d,\"seconds\":%.4f,\"p50_ms\":%.1f,\"p99_ms\":%.1f}\n", joined - before, failed, seconds,
         percentile(.5), percentile(.99));
}

static int open_count(void) {
  int count = 0;
  for (int i = 0; i < opened; i++) count += connections[i].state == READY;
  return count;
}

// Deliveries that `sent` messages make: each one reaches the readers of its sender's room.
static uint64_t send_due(uint64_t *sent, uint64_t due_count, double rate, int size, const int *readers) {
  static int turn;
  uint64_t expected = 0;
  while (*sent < due_count) {
    struct connection *c = &connections[turn++ % opened];
    if (c->state != READY) continue;
    if (say(c, phase_start + (uint64_t)(*sent * 1e6 / rate), size)) expected += readers[c->number % rooms];
    ++*sent;
  }
  return expected;
}

static void send_all(double rate, double seconds, int size) {
  static int readers[MAX_CONNECTIONS];
  memset(readers, 0, sizeof readers);
  for (int i = 0; i < opened; i++) readers[i % rooms] += connections[i].state == READY;
  uint64_t sent = 0, expected = 0, end, before_open = open_count();
  double cpu = cpu_seconds();
  start_phase();
  end = phase_start + seconds * 1e6;
  for (uint64_t now; (now = now_us()) < end && open_count() > 0; poll_once(1))
    expected += send_due(&sent, (now - phase_start) * rate / 1e6 + 1, rate, size, readers);
  while (deliveries < expected && now_us() < (last_delivery > end ? last_delivery : end) + GRACE_US) poll_once(10);
  double wall = (now_us() - phase_start) / 1e6;
  printf("{\"sent\":%llu,\"expected\":%llu,\"delivered\":%llu,\"seconds\":%.3f,\"p50_ms\":%.1f,\"p95_ms\":%.1f,\"p99_ms\":%.1f,"
         "\"cut\":%d,\"cpu_share\":%.3f}\n",
         (unsigned long long)sent, (unsigned long long)expected, (unsigned long long)deliveries, wall, percentile(.5),
         percentile(.95), percentile(.99), (int)before_open - open_count(), (cpu_seconds() - cpu) / wall);
}

static void wait_for(double seconds) {
  for (uint64_t end = now_us() + seconds * 1e6; now_us() < end;) poll_once(50);
  printf("{\"open\":%d}\n", open_count());
}

static void read_tokens(const char *path) {
  char *line = NULL;
  size_t size = 0;
  FILE *file = fopen(path, "r");
  for (ssize_t length; file && token_count < MAX_CONNECTIONS && (length = getline(&line, &size, file)) > 1;)
    tokens[token_count++] = strndup(line, length - 1);
}

int main(int count, char **words) {
  if (count < 4) return fprintf(stderr, "usage: load chat|socketio TOKENS ADDRESS...\n"), 2;
  char line[256];
  double a, b, c, d;
  wrapped = strcmp(words[1], "socketio") == 0;
  read_tokens(words[2]);
  addresses = words + 3;
  address_count = count - 3;
  epoll = epoll_create1(0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "open %lf %lf %lf %lf", &a, &b, &c, &d) == 4) rooms = c, stalled = d, open_all(a, b);
    else if (sscanf(line, "send %lf %lf %lf", &a, &b, &c) == 3) send_all(a, b, c);
    else if (sscanf(line, "wait %lf", &a) == 1) wait_for(a);
    else return fprintf(stderr, "no such command: %s", line), 2;
  }
  return 0;
}
