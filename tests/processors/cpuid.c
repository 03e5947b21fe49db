/* Simulates another processor for a process, which loads this library twice:

   LD_AUDIT:   when a library is loaded, each of its cpuid instructions (0F A2) listed in the file $CPUID_SITES becomes
               0E A2, which is illegal on 64-bit processors. One line per library: its path, a tab and addresses in hex.
   LD_PRELOAD: handles the resulting SIGILL with the answers of the file $CPUID_PROFILE (format in profiles/README.md).
               With $CPUID_LOG set, every answer is logged to stderr. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { CPUID_FIRST = 0x0f, REFUSED_FIRST = 0x0e, CPUID_SECOND = 0xa2 };

static void fail(const char *what) {
  perror(what);
  _exit(99);
}

/* LD_AUDIT */

static void replace(uint8_t *at) {
  uintptr_t page = (uintptr_t)at & ~(uintptr_t)4095;
  if (at[0] != CPUID_FIRST || at[1] != CPUID_SECOND) fail("no cpuid at an address in $CPUID_SITES");
  if (mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) fail("mprotect");
  at[0] = REFUSED_FIRST;
  if (mprotect((void *)page, 4096, PROT_READ | PROT_EXEC)) fail("mprotect");
}

unsigned la_version(unsigned version) { return version < LAV_CURRENT ? version : LAV_CURRENT; }

unsigned la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie) {
  const char *list = getenv("CPUID_SITES");
  FILE *file = list ? fopen(list, "r") : NULL;
  char path[PATH_MAX], *line = NULL, *sites, *end;
  size_t size = 0;
  if (!file) fail("CPUID_SITES");
  if (!realpath(map->l_name, path)) *path = '\0'; /* the kernel's own, without a file */
  while (getline(&line, &size, file) > 0)
    if (!strcmp(strtok_r(line, "\t", &sites), path))
      for (unsigned long site; site = strtoul(sites, &end, 16), end != sites; sites = end)
        replace((uint8_t *)map->l_addr + site);
  free(line);
  fclose(file);
  return 0;
}

/* LD_PRELOAD */

struct answer { int mask, every_subleaf; uint32_t leaf, subleaf, registers[4]; };
static struct answer profile[128];
static int answers, logged;
static struct sigaction next_action;
static int (*real_sigaction)(int, const struct sigaction *, struct sigaction *);

/* Never report an instruction set that this processor lacks: in these registers, only the bits that both have. */
static uint32_t present(uint32_t leaf, int k, uint32_t simulated, uint32_t real) {
  const uint32_t amd_instructions = 0x20218960; /* lzcnt sse4a prefetchw xop lwp fma4 tbm mwaitx */
  if ((leaf == 1 && k >= 2) || (leaf == 7 && k >= 1)) return simulated & real;
  if (leaf == 0x80000001 && k == 2) return simulated & (real | ~amd_instructions);
  return simulated;
}

static void answer(int signal, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  uint8_t *at = (uint8_t *)g[REG_RIP];
  if (at[0] == REFUSED_FIRST && at[1] == CPUID_SECOND) {
    uint32_t leaf = g[REG_RAX], subleaf = g[REG_RCX], r[4];
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
    for (struct answer *a = profile; a < profile + answers; a++)
      if (a->leaf == leaf && (a->every_subleaf || a->subleaf == subleaf)) {
        for (int k = 0; k < 4; k++)
          r[k] = a->mask ? r[k] & a->registers[k] : present(leaf, k, a->registers[k], r[k]);
        break;
      }
    if (logged) dprintf(2, "cpuid %08x %x: %08x %08x %08x %08x\n", leaf, subleaf, r[0], r[1], r[2], r[3]);
    g[REG_RAX] = r[0], g[REG_RBX] = r[1], g[REG_RCX] = r[2], g[REG_RDX] = r[3], g[REG_RIP] += 2;
  } else if (next_action.sa_flags & SA_SIGINFO) {
    next_action.sa_sigaction(signal, info, context);
  } else if (next_action.sa_handler != SIG_IGN && next_action.sa_handler != SIG_DFL) {
    next_action.sa_handler(signal);
  } else {
    real_sigaction(SIGILL, &(struct sigaction){.sa_handler = SIG_DFL}, NULL); /* the signal recurs and ends the process */
  }
}

int sigaction(int signal, const struct sigaction *new, struct sigaction *old) {
  if (!real_sigaction) real_sigaction = dlsym(RTLD_NEXT, "sigaction");
  if (signal != SIGILL || !answers) return real_sigaction(signal, new, old);
  if (old) *old = next_action;
  if (new) next_action = *new;
  return 0;
}

__attribute__((constructor)) static void start(void) {
  const char *name = getenv("CPUID_PROFILE");
  FILE *file = name ? fopen(name, "r") : NULL;
  char line[200], subleaf[20];
  if (!file) fail("CPUID_PROFILE");
  while (fgets(line, sizeof line, file)) {
    struct answer a = {.mask = !strncmp(line, "mask ", 5)};
    if (*line == '#') continue;
    if (sscanf(line + 5 * a.mask, "%x %19s %x %x %x %x", &a.leaf, subleaf, a.registers, a.registers + 1,
               a.registers + 2, a.registers + 3) != 6) fail(line);
    a.every_subleaf = *subleaf == '*';
    a.subleaf = strtoul(subleaf, NULL, 16);
    if (answers == sizeof profile / sizeof *profile) fail("a profile with too many lines");
    profile[answers++] = a;
  }
  fclose(file);
  logged = getenv("CPUID_LOG") != NULL;
  real_sigaction = dlsym(RTLD_NEXT, "sigaction");
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
  if (real_sigaction(SIGILL, &action, &next_action)) fail("sigaction");
}
