/*
 * skein completion: the scripts by which shells ask for candidates (complete.h).
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "complete.h"

static const char help[] =
	"Usage: skein completion bash|zsh|fish\n"
	"Prints a script that completes the command's words: verbs, options and their values; topics, groups,\n"
	"brokers and settings of the cluster that the command line, the environment or the profile names. One\n"
	"that does not answer within a second is not waited for.\n\n"
	"  -h, --help               this text\n"
	"\nPackages install the scripts where the shells look for them. By hand:\n"
	"\nExamples:\n"
	"  source <(skein completion bash)                       in ~/.bashrc\n"
	"  source <(skein completion zsh)                        in ~/.zshrc, behind compinit\n"
	"  skein completion fish | source                        in ~/.config/fish/config.fish\n";

/* Readline breaks words at = and : too, so what stands before the last of them is not its word's. */
static const char bash[] =
	"# bash completion for skein\n"
	"_skein() {\n"
	"	local line=${COMP_LINE:0:COMP_POINT} current kept reply\n"
	"	local -a words\n"
	"	read -ra words <<<\"$line\"\n"
	"	[[ $line != *[[:space:]] ]] || words+=(\"\")\n"
	"	current=${words[${#words[@]}-1]}\n"
	"	kept=${current%\"${current##*[=:]}\"}\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r reply; do\n"
	"		reply=${reply%%$'\\t'*}\n"
	"		case $reply in\n"
	"		:files) compopt -o default ;;\n"
	"		*=) compopt -o nospace; COMPREPLY+=(\"${reply#\"$kept\"}\") ;;\n"
	"		*) COMPREPLY+=(\"${reply#\"$kept\"}\") ;;\n"
	"		esac\n"
	"	done < <(\"${1/#\\~/$HOME}\" " COMPLETE_WORD " \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _skein skein\n";

static const char zsh[] =
	"#compdef skein\n"
	"_skein() {\n"
	"	local reply word\n"
	"	local -a whole open\n"
	"	for reply in \"${(@f)$(\"${(Q)words[1]}\" " COMPLETE_WORD " \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
	"		word=${reply%%$'\\t'*}\n"
	"		case $word in\n"
	"		'') ;;\n"
	"		:files) _files ;;\n"
	"		*=) open+=(\"${word//:/\\\\:}:${reply#*$'\\t'}\") ;;\n"
	"		*) whole+=(\"${word//:/\\\\:}:${reply#*$'\\t'}\") ;;\n"
	"		esac\n"
	"	done\n"
	"	(( $#whole )) && _describe skein whole\n"
	"	(( $#open )) && _describe skein open -S ''\n"
	"}\n"
	"if [[ $funcstack[1] == _skein ]]; then _skein \"$@\"; else compdef _skein skein; fi\n";

static const char fish[] =
	"# fish completion for skein\n"
	"function __skein_complete\n"
	"	set -l words (commandline -opc)\n"
	"	set -l current (commandline -ct)\n"
	"	for reply in ($words[1] " COMPLETE_WORD " $words[2..-1] \"$current\" 2>/dev/null)\n"
	"		if test \"$reply\" = :files\n"
	"			__fish_complete_path \"$current\"\n"
	"		else\n"
	"			printf '%s\\n' $reply\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c skein -f -a '(__skein_complete)'\n";

static const struct {
	const char *name, *script;
} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

int tool_completion(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h')
			return tool_usage_told("completion");
		fputs(help, stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; optind + 1 == argc && i < ARRAY_LEN(shells); i++) {
		if (strcmp(argv[optind], shells[i].name) == 0) {
			fputs(shells[i].script, stdout);
			return tool_flush() ? EXIT_OK : EXIT_FAILED;
		}
	}
	return tool_usage("completion", "for which shell? bash, zsh or fish");
}
