#include "tool.h"
int tool_topic(int argc UNUSED, char **argv UNUSED)
{
	return EXIT_USAGE;
}
