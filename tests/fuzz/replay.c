/*
 * Stands in for libFuzzer where it is not built: runs a fuzz target once on every file of its corpus, so that "make check"
 * keeps what fuzzing found.
 *
 *     TARGET_fuzz [FILE or DIRECTORY...]      default: the corpus of that name under $SKEIN_TEST_DATA/fuzz/corpus
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	static uint8_t buffer[INPUT_MAX];
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		return 0;
	size_t n = fread(buffer, 1, sizeof(buffer), f);
	fclose(f);
	uint8_t *input = malloc(n != 0 ? n : 1);	/* of exactly that size, so that a sanitizer sees a read beyond it */
	if (input == NULL)
		return 0;
	memcpy(input, buffer, n);
	LLVMFuzzerTestOneInput(input, n);
	free(input);
	return 1;
}

static int run_path(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (dir == NULL)
		return run_file(path);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char file[2048];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		count += run_file(file);
	}
	closedir(dir);
	return count;
}

static int run_corpus(const char *program)
{
	const char *data = getenv("SKEIN_TEST_DATA");
	const char *name = strrchr(program, '/') != NULL ? strrchr(program, '/') + 1 : program;
	size_t len = strlen(name);
	char path[1024];

	if (len > 5 && strcmp(name + len - 5, "_fuzz") == 0)
		len -= 5;
	snprintf(path, sizeof(path), "%s/fuzz/corpus/%.*s", data != NULL ? data : "tests", (int)len, name);
	return run_path(path);
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += run_path(argv[i]);
	if (argc < 2)
		count = run_corpus(argv[0]);
	printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
