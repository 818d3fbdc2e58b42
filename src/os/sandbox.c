/*
 * The filter names what is forbidden, not what is allowed: libraries and the C library choose their calls, and an unknown one that failed would do so on somebody's machine, years from now.
 * What the service manager forbids beside (SystemCallFilter=@system-service) is an allowed list, and stands before this one.
 *
 * A refused call must be counted, and only a trap tells the process of it: SIGSYS runs on the thread that called, writes two words, and makes the call return -EPERM. clone3 hides its
 * flags behind a pointer: it does not exist (ENOSYS), and the C library takes clone, which may make threads only. A system call of another machine's numbers is refused as a whole.
 */
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true	/* their reports need processes of their own, and ptrace */
#else
#define IS_SANITIZED false
#endif

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)	/* headers may be older than the kernel */
#endif

static uint64_t refused;
static uint32_t last_refused;

/* --- system calls ------------------------------------------------------------------------------------------ */

/* Other programs, other processes, other users; the machine; the kernel's insides. */
#define FORBIDDEN_CALLS(X) \
	X(execve) X(execveat) X(setns) X(unshare) X(ptrace) X(process_vm_readv) X(process_vm_writev) X(kcmp) X(pidfd_getfd) \
	X(setuid) X(setgid) X(setreuid) X(setregid) X(setresuid) X(setresgid) X(setgroups) X(setfsuid) X(setfsgid) X(capset) \
	X(mount) X(umount2) X(pivot_root) X(chroot) X(move_mount) X(open_tree) X(fsopen) X(fsconfig) X(fsmount) X(fspick) X(mount_setattr) \
	X(open_by_handle_at) X(name_to_handle_at) X(mknodat) X(quotactl) X(swapon) X(swapoff) \
	X(reboot) X(kexec_load) X(kexec_file_load) X(init_module) X(finit_module) X(delete_module) X(bpf) X(perf_event_open) X(userfaultfd) \
	X(settimeofday) X(clock_settime) X(clock_adjtime) X(adjtimex) X(sethostname) X(setdomainname) X(syslog) X(acct) X(vhangup) X(personality) \
	X(add_key) X(request_key) X(keyctl) X(lookup_dcookie) X(fanotify_init) X(mbind) X(migrate_pages) X(move_pages)
/* Of some machines only. */
#define FORBIDDEN_OLD_CALLS(X) X(fork) X(vfork) X(mknod) X(uselib) X(ustat) X(sysfs) X(iopl) X(ioperm) X(modify_ldt) X(create_module) X(nfsservctl)

static const struct {
	const char *name;
	uint32_t    number;
} forbidden[] = {
#define X(name) { #name, __NR_##name },
	FORBIDDEN_CALLS(X)
#undef X
#ifdef __x86_64__
#define X(name) { #name, __NR_##name },
	FORBIDDEN_OLD_CALLS(X)
#undef X
#endif
};

#ifdef MACHINE

#define WORD(field)    ((uint32_t)offsetof(struct seccomp_data, field))
#define ARGUMENT(n)    (WORD(args) + 8 * (n))	/* its low half: both machines have that first */
#define TRAP_DATA      1
#define REFUSE         SECCOMP_RET_TRAP | TRAP_DATA

struct program {
	struct sock_filter code[16 + 2 * ARRAY_LEN(forbidden) + 32];
	unsigned short     len;
};

static void put(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	ASSERT(p->len < ARRAY_LEN(p->code));
	p->code[p->len++] = (struct sock_filter){ code, yes, no, k };
}

static void load(struct program *p, uint32_t at)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
}

static void end(struct program *p, uint32_t action)
{
	put(p, BPF_RET | BPF_K, 0, 0, action);
}

/* Jumps over `skip` instructions unless A == k. */
static void unless_equal(struct program *p, uint32_t k, uint8_t skip)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, skip, k);
}

/* The call `number` is refused unless its argument n has all of `bits` (wants_all), or if it has (not). The rest of the program sees the number again. */
static void check_bits(struct program *p, uint32_t number, int n, uint32_t bits, bool wants_all)
{
	unless_equal(p, number, 5);
	load(p, ARGUMENT(n));
	put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, bits);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, wants_all ? 1 : 0, wants_all ? 0 : 1, bits);
	end(p, REFUSE);
	load(p, WORD(nr));
}

/* Sockets of these families only: a raw one shows what others send. */
static void check_family(struct program *p)
{
	static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

	unless_equal(p, __NR_socket, 3 + ARRAY_LEN(families));
	load(p, ARGUMENT(0));
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(ARRAY_LEN(families) - i), 0, families[i]);
	end(p, REFUSE);
	load(p, WORD(nr));
}

static void build(struct program *p)
{
	load(p, WORD(arch));
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, MACHINE);
	end(p, SECCOMP_RET_ERRNO | EPERM);
	load(p, WORD(nr));
#ifdef __x86_64__
	put(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000);	/* x32 */
	end(p, SECCOMP_RET_ERRNO | ENOSYS);
#endif
	unless_equal(p, __NR_clone3, 1);
	end(p, SECCOMP_RET_ERRNO | ENOSYS);
	check_bits(p, __NR_clone, 0, CLONE_THREAD, true);
	check_bits(p, __NR_mmap, 2, PROT_WRITE | PROT_EXEC, false);
	check_bits(p, __NR_mprotect, 2, PROT_EXEC, false);
	check_family(p);
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		unless_equal(p, forbidden[i].number, 1);
		end(p, REFUSE);
	}
	end(p, SECCOMP_RET_ALLOW);
}

static void on_refused(int sig UNUSED, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	__atomic_store_n(&last_refused, (uint32_t)info->si_syscall, __ATOMIC_RELAXED);
	__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
#if defined(__x86_64__)
	u->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	u->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#endif
}

static bool filter_calls(void)
{
	struct program p = { .len = 0 };
	struct sigaction sa = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t sys;

	build(&p);
	sigfillset(&sa.sa_mask);
	sigdelset(&sa.sa_mask, SIGSYS);
	sigemptyset(&sys);
	sigaddset(&sys, SIGSYS);
	if (sigaction(SIGSYS, &sa, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &sys, NULL) != 0)
		return false;
	struct sock_fprog program = { p.len, p.code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#else	/* another machine */

static bool filter_calls(void)
{
	return false;
}

#endif

uint64_t sandbox_refused(const char **last)
{
	uint32_t number = __atomic_load_n(&last_refused, __ATOMIC_RELAXED);
	uint64_t n = __atomic_load_n(&refused, __ATOMIC_RELAXED);

	*last = n == 0 ? "" : number == __NR_socket ? "socket" : number == __NR_clone ? "clone" : number == __NR_mmap ? "mmap" : "mprotect";
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(forbidden); i++)
		if (forbidden[i].number == number)
			*last = forbidden[i].name;
	return n;
}

/* --- paths ---------------------------------------------------------------------------------------------------- */

#define CHANGES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
                 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void allow_below(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC) };

	if (rule.parent_fd < 0)
		return;		/* who wants to write there will be told */
	(void)!syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

/* A directory that is to be made yet is made below the nearest that is there. */
static void allow_writing(int ruleset, const char *dir, uint64_t access)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s", dir);
	while (stat(path, &st) != 0 && errno == ENOENT) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			strcpy(path, ".");
		else if (slash == path)
			path[1] = 0;
		else
			*slash = 0;
	}
	allow_below(ruleset, path, access);
}

/* Where the kernel writes what is left of a process that crashed, if it writes a file: not below all of /, where a service stands that was told no other place. */
static void allow_core(int ruleset, uint64_t access)
{
	char pattern[256] = "", cwd[4096];
	struct rlimit limit;
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

	if (f == NULL)
		return;
	bool is_read = fgets(pattern, sizeof(pattern), f) != NULL;
	fclose(f);
	if (!is_read || pattern[0] == '|' || getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0)
		return;
	char *slash = strrchr(pattern, '/');
	if (pattern[0] == '/' && slash != pattern) {
		*slash = 0;
		allow_below(ruleset, pattern, access);
	} else if (pattern[0] != '/' && getcwd(cwd, sizeof(cwd)) != NULL && strcmp(cwd, "/") != 0) {
		allow_below(ruleset, cwd, access);
	}
}

static int bind_paths(const char *const *writable, int count)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { .handled_access_fs = CHANGES };

	if (version <= 0)
		return 0;
	if (version >= 2)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	uint64_t below = attr.handled_access_fs;
	attr.handled_access_fs |= LANDLOCK_ACCESS_FS_EXECUTE;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return 0;
	for (int i = 0; i < count; i++)
		allow_writing(ruleset, writable[i], below);
	allow_core(ruleset, below & ~(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM));
	allow_below(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	bool ok = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	close(ruleset);
	return ok ? version : 0;
}

bool sandbox_begin(struct sandbox *out, const char *const *writable, int count)
{
	*out = (struct sandbox){ .landlock = 0 };
	if (IS_SANITIZED)
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return true;
	out->landlock = bind_paths(writable, count);
	out->has_filter = filter_calls();
	return true;
}
