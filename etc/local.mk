# What an installed broker needs beside the program: sample configuration, service, manual pages. Paths are known at make install only, so the units are made by make.
skeinconfdir = $(sysconfdir)/skein
dist_skeinconf_DATA = etc/server.properties
skeindatadir = $(datadir)/skein
dist_skeindata_DATA = etc/grafana-skein.json etc/prometheus-alerts.yml
nodist_skeindata_DATA = etc/requests.bt etc/logs.bt
etc/requests.bt etc/logs.bt: Makefile
	@$(MKDIR_P) etc
	$(AM_V_GEN)sed -e 's|[@]bindir[@]|$(bindir)|' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
etc/requests.bt: etc/requests.bt.in
etc/logs.bt: etc/logs.bt.in
systemdunitdir = $(prefix)/lib/systemd/system
dist_systemdunit_DATA = etc/skein.socket
nodist_systemdunit_DATA = etc/skein.service etc/skein@.service
etc/skein.service etc/skein@.service: etc/skein-limits.conf Makefile
	@$(MKDIR_P) etc
	$(AM_V_GEN)sed -e '/[@]limits[@]/{r $(srcdir)/etc/skein-limits.conf' -e 'd}' -e 's|[@]bindir[@]|$(bindir)|; s|[@]sysconfdir[@]|$(sysconfdir)|' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
etc/skein.service: etc/skein.service.in
etc/skein@.service: etc/skein@.service.in

man_pages = man/skein.1 man/skein-produce.1 man/skein-consume.1 man/skein-topic.1 man/skein-group.1 man/skein-cluster.1 man/skein-status.1 man/skein-top.1 man/skein-bench.1 man/skein-check.1 man/skein-log.1 man/skein-config.1 man/skein-profile.1 man/skein-completion.1 man/skein-serve.8 man/server.properties.5
nodist_man_MANS = $(man_pages)
$(man_pages): skein$(EXEEXT) build-aux/gen-man
	@$(MKDIR_P) man
	$(AM_V_GEN)$(PYTHON) $(srcdir)/build-aux/gen-man ./skein$(EXEEXT) $(@F) >$@.tmp && mv $@.tmp $@
man/server.properties.5: docs/CONFIGURATION.md

# What shells ask for the words of a command line, by the names and in the places where they look. Debian has another place for zsh's.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
nodist_bashcompletion_DATA = completion/skein
nodist_zshcompletion_DATA = completion/_skein
nodist_fishcompletion_DATA = completion/skein.fish
completions = completion/skein completion/_skein completion/skein.fish
completion/skein: completion_shell = bash
completion/_skein: completion_shell = zsh
completion/skein.fish: completion_shell = fish
$(completions): skein$(EXEEXT)
	@$(MKDIR_P) completion
	$(AM_V_GEN)./skein$(EXEEXT) completion $(completion_shell) >$@.tmp && mv $@.tmp $@
CLEANFILES += $(completions) $(man_pages) $(nodist_systemdunit_DATA) $(nodist_skeindata_DATA)
EXTRA_DIST += debian etc/skein.service.in etc/skein@.service.in etc/requests.bt.in etc/logs.bt.in etc/skein-limits.conf build-aux/gen-man LICENSE NOTICE CHANGELOG.md CONTRIBUTING.md SECURITY.md docs/OPERATING.md docs/TROUBLESHOOTING.md docs/COMPARISON.md docs/PERFORMANCE.md docs/performance.py docs/performance docs/SCALE.md docs/scale.py docs/scale
EXTRA_DIST += docs/ARCHITECTURE.md docs/DASHBOARDS.md
