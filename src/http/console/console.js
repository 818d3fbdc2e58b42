'use strict';
/* The console's pages. Everything is text put into elements: nothing that a broker, a topic or a message says can become markup. */

const main = document.getElementById('main');
const status = document.getElementById('status');
const source = document.getElementById('source');
const live = document.getElementById('live');
const REFRESH_MS = 5000;
let turn = 0;			/* of the page that is wanted: answers to an earlier one are dropped */
let timer = 0;

/* ---- elements ---- */

function el(tag, attributes, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {})) {
		if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
		else if (value === true) e.setAttribute(name, '');
		else if (value !== false && value != null) e.setAttribute(name, value);
	}
	for (const c of children.flat(Infinity)) if (c != null) e.append(c);
	return e;
}

/* Names may be 32,767 bytes. */
const short = (s) => s != null && s.length > 120 ? s.slice(0, 100) + `… (${s.length} characters)` : s;
const link = (text, ...path) => el('a', { href: '#/' + path.map(encodeURIComponent).join('/') }, text);
const note = (kind, ...children) => el('p', { class: 'note ' + kind }, ...children);
const bad = (n) => n > 0 ? el('span', { class: 'bad-text' }, String(n)) : String(n);

/* rows: arrays of cells; a column is [name, is it a number]. The first cell names its row. */
function table(caption, columns, rows) {
	if (rows.length === 0) return el('p', { class: 'note' }, caption + ': none.');
	const cell = (c, i) => el(i === 0 ? 'th' : 'td', { scope: i === 0 ? 'row' : null, class: columns[i][1] && i > 0 ? 'number' : null, 'data-label': columns[i][0] }, c);
	return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
		el('table', { class: 'stack' }, el('caption', {}, caption),
			el('thead', {}, el('tr', {}, columns.map((c, i) => el('th', { scope: 'col', class: c[1] && i > 0 ? 'number' : null }, c[0])))),
			el('tbody', {}, rows.map((r) => el('tr', {}, r.map(cell))))));
}

function cards(list) {
	return el('dl', { class: 'cards' }, list.map(([name, value, small]) => el('div', {}, el('dt', {}, name), el('dd', { class: small ? 'small' : null }, value))));
}

function pages(answer, shown, count, go) {
	if (answer.from === 0 && shown >= answer.found) return null;
	return el('div', { class: 'pages' },
		el('button', { id: 'before', disabled: answer.from === 0, onclick: () => go(Math.max(0, answer.from - count)) }, 'Previous'),
		el('span', {}, shown > 0 ? `${answer.from + 1} to ${answer.from + shown} of ${answer.found}` : `none of ${answer.found}`),
		el('button', { id: 'after', disabled: answer.from + shown >= answer.found, onclick: () => go(answer.from + count) }, 'Next'));
}

/* ---- numbers ---- */

const number = (n) => n == null ? '–' : Number(n).toLocaleString('en');

function bytes(n) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
	let i = 0;
	for (n = Number(n); n >= 1024 && i < units.length - 1; i++) n /= 1024;
	return (i === 0 ? n : n.toFixed(n < 10 ? 1 : 0)) + ' ' + units[i];
}

function duration(ms) {
	const s = Math.max(0, Math.floor(ms / 1000));
	if (s < 60) return s + ' s';
	if (s < 3600) return Math.floor(s / 60) + ' min';
	if (s < 172800) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
	return Math.floor(s / 86400) + ' days';
}

const moment = (ms) => ms < 0 || Number.isNaN(new Date(ms).getTime()) ? 'none' : new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC');

/* Counters only grow: what they grew by since the last look, in a second. */
const seen = new Map();
function rate(key, value, time) {
	const last = seen.get(key);
	value = Number(value);
	if (!last || time - last.time >= 1000) seen.set(key, { value, time, rate: last && value >= last.value ? (value - last.value) * 1000 / (time - last.time) : null });
	if (seen.size > 20000) seen.clear();
	return seen.has(key) ? seen.get(key).rate : null;
}
const perSecond = (r, unit) => r == null ? '…' : (unit === 'B' ? bytes(Math.round(r)) : r >= 10 || r === 0 ? number(Math.round(r)) : r.toFixed(1)) + '/s';

/* ---- asking ---- */

async function ask(path, args) {
	const query = new URLSearchParams(Object.entries(args || {}).filter(([, v]) => v != null && v !== '')).toString();
	const answer = await fetch('/api/' + path + (query ? '?' + query : ''), { headers: { Accept: 'application/json' }, redirect: 'error' });
	const text = await answer.text();
	let data;
	try { data = JSON.parse(text); } catch { throw new Error(text.trim() || 'status ' + answer.status); }
	if (!answer.ok) throw new Error(data.error || 'status ' + answer.status);
	if (data.broker != null) source.textContent = 'As broker ' + data.broker + ' knows it, ' + moment(data.time);
	return data;
}

/* ---- pages: each gives a title and its elements ---- */

async function overview() {
	const o = await ask('overview');
	const wrong = [];
	if (!o.serving) wrong.push('The broker is starting or stopping.');
	if (o.stuck_actors > 0) wrong.push(o.stuck_actors + ' actors do not go on; the log names them.');
	if (o.leaderless > 0) wrong.push(o.leaderless + ' partitions of the cluster have no leader.');
	if (o.under_replicated > 0) wrong.push(o.under_replicated + ' partitions of the cluster have replicas out of sync.');
	for (const d of o.log_dirs) if (d.offline) wrong.push('The log directory ' + d.path + ' is offline.');
	return ['Overview',
		wrong.length > 0 ? wrong.map((w) => note('bad', w)) : note('good', 'All partitions have a leader and all their replicas in sync.'),
		el('h2', {}, 'Cluster'),
		cards([['Brokers', number(o.brokers)], ['Topics', number(o.topics)], ['Partitions', number(o.partitions)], ['Without leader', bad(o.leaderless)],
			['Out of sync', bad(o.under_replicated)], ['Controller', o.controller < 0 ? 'none' : 'broker ' + o.controller], ['Cluster id', o.cluster, true]]),
		el('h2', {}, 'Broker ' + o.broker),
		cards([['Messages in', perSecond(rate('o.r', o.records_in, o.time))], ['Bytes in', perSecond(rate('o.i', o.bytes_in, o.time), 'B')],
			['Bytes out', perSecond(rate('o.o', o.bytes_out, o.time), 'B')], ['Requests', perSecond(rate('o.q', o.requests, o.time))],
			['Leads', number(o.leaders_here) + ' of ' + number(o.replicas_here)], ['Data', bytes(o.bytes_here)], ['Connections', number(o.connections)],
			['Memory', bytes(o.resident_bytes)], ['Running for', duration(o.time - o.started)], ['Version', o.version, true]]),
		el('h2', {}, 'Log directories'),
		table('Log directories', [['Path'], ['State']], o.log_dirs.map((d) => [el('code', {}, d.path), d.offline ? el('span', { class: 'bad-text' }, 'offline') : 'in use']))];
}

async function topics(p) {
	const count = 50;
	const a = await ask('topics', { from: p.from, count, find: p.find, internal: p.internal });
	const go = (from) => show('topics', { ...p, from });
	return ['Topics',
		el('form', { role: 'search', onsubmit: (e) => { e.preventDefault(); const f = e.target.elements; goTo('topics', { find: f.find.value, internal: f.internal.checked ? '1' : '' }); } },
			el('label', {}, 'Name contains', el('input', { id: 'find', name: 'find', type: 'search', value: p.find || '', maxlength: '249' })),
			el('label', { class: 'row' }, el('input', { id: 'internal', name: 'internal', type: 'checkbox', checked: p.internal === '1' }), 'Internal topics'),
			el('button', { id: 'search' }, 'Search')),
		table(number(a.found) + (a.found === 1 ? ' topic' : ' topics'),
			[['Name'], ['Partitions', 1], ['Replication', 1], ['No leader', 1], ['Out of sync', 1], ['Leads here', 1], ['Data here', 1], ['Messages in', 1], ['Bytes out', 1]],
			a.topics.map((t) => [link(t.name, 'topic', t.name), number(t.partitions), number(t.replication), bad(t.leaderless), bad(t.under_replicated), number(t.leaders_here),
				bytes(t.bytes_here), perSecond(rate('t.r.' + t.name, t.records_in, a.time)), perSecond(rate('t.o.' + t.name, t.bytes_out, a.time), 'B')])),
		pages(a, a.topics.length, count, go)];
}

async function topic(p) {
	const count = 100;
	const t = await ask('topic', { topic: p.name, from: p.from, count });
	const outOf = (x) => x.replicas.filter((r) => !x.isr.includes(r));
	return [t.name,
		cards([['Partitions', number(t.partitions)], ['Without leader', bad(t.leaderless)], ['Out of sync', bad(t.under_replicated)], ['Data here', bytes(t.bytes_here)],
			['Messages in', perSecond(rate('d.r.' + t.name, t.records_in, t.time))], ['Bytes in', perSecond(rate('d.i.' + t.name, t.bytes_in, t.time), 'B')],
			['Bytes out', perSecond(rate('d.o.' + t.name, t.bytes_out, t.time), 'B')], ['Topic id', t.id, true]]),
		el('p', {}, link('Show messages', 'messages', t.name), t.messages ? null : el('span', { class: 'soft' }, ' (turned off)')),
		el('h2', {}, 'Partitions'),
		table('Partitions', [['Partition'], ['Leader', 1], ['Replicas'], ['Out of sync'], ['First offset', 1], ['Committed', 1], ['End', 1], ['Data', 1], ['Messages in', 1]],
			t.list.map((x) => [t.messages && x.here ? link(String(x.id), 'messages', t.name, String(x.id)) : String(x.id),
				x.leader < 0 ? el('span', { class: 'bad-text' }, 'none') : String(x.leader), x.replicas.join(', '),
				outOf(x).length > 0 ? el('span', { class: 'bad-text' }, outOf(x).join(', ')) : 'none',
				...(x.here ? [number(x.here.start), number(x.here.high_watermark), number(x.here.end), x.here.offline ? el('span', { class: 'bad-text' }, 'offline') : bytes(x.here.bytes),
					perSecond(rate('p.' + t.name + '.' + x.id, x.here.records_in, t.time))] : ['–', '–', '–', 'elsewhere', '–'])])),
		pages({ from: t.from, found: t.partitions }, t.list.length, count, (from) => show('topic', { ...p, from }, [p.name])),
		el('h2', {}, 'Configuration'),
		table('Configuration', [['Name'], ['Value'], ['Set']], t.configs.map((c) => [el('span', { title: c.doc }, c.name), el('code', {}, c.value), c.own ? 'for the topic' : 'default']))];
}

/* ---- messages ---- */

function unhex(hex) {
	return Uint8Array.from(hex.match(/../g) || [], (h) => parseInt(h, 16));
}

function hexDump(data) {
	const lines = [];
	for (let i = 0; i < data.length; i += 16) {
		const row = [...data.slice(i, i + 16)];
		lines.push(i.toString(16).padStart(6, '0') + '  ' + row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(48) + ' ' +
			row.map((b) => b >= 32 && b < 127 ? String.fromCharCode(b) : '.').join(''));
	}
	return lines.join('\n');
}

/* A key, value or header as the reader wants it; text that is JSON is set out, unless it is asked for as it is. */
function content(c, form) {
	if (c === null) return el('span', { class: 'soft' }, 'null');
	const is_text = c.text !== undefined;
	const data = () => is_text ? new TextEncoder().encode(c.text) : unhex(c.hex);
	let shown;
	if (form === 'hex' || (!is_text && form !== 'text')) shown = hexDump(data());
	else if (!is_text) shown = new TextDecoder().decode(data());
	else shown = c.text;
	if (is_text && !c.cut && form !== 'hex' && form !== 'text' && /^\s*[[{]/.test(c.text)) {
		/* As it is written but for blanks, where a number would not come back the same. */
		try {
			const parsed = JSON.parse(c.text);
			if (JSON.stringify(parsed) === c.text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')) shown = JSON.stringify(parsed, null, 2);
		} catch { /* it is not JSON */ }
	}
	return [el('pre', { tabindex: '0' }, shown === '' ? '(empty)' : shown), c.cut ? el('p', { class: 'part' }, 'The first part of ' + bytes(c.size) + '.') : null];
}

function record(r, form) {
	return el('li', {},
		el('div', { class: 'facts' }, el('span', {}, 'Offset ', el('b', {}, String(r.offset))), el('span', {}, moment(Number(r.timestamp)) + (r.append_time ? ' (appended)' : '')),
			el('span', {}, r.value === null ? 'tombstone' : bytes(r.value.size)), r.transactional ? el('span', {}, 'transactional') : null, r.control ? el('span', { class: 'warn-text' }, 'control') : null),
		r.key !== null ? [el('p', { class: 'part' }, 'Key'), content(r.key, form)] : null,
		el('p', { class: 'part' }, 'Value'), content(r.value, form),
		r.headers.length > 0 ? el('details', { open: true }, el('summary', { class: 'part' }, r.header_count + (r.header_count === 1 ? ' header' : ' headers')),
			r.headers.map((h) => [el('p', { class: 'part' }, h.key && h.key.text !== undefined ? h.key.text : '(binary)'), content(h.value, form)])) : null);
}

async function messages(p) {
	const t = await ask('topic', { topic: p.name, from: 0, count: 500 });
	const title = ['Messages of ' + t.name, el('p', {}, link('Back to the topic', 'topic', t.name))];
	if (!t.messages)
		return [...title, note('', 'Messages are not shown: this broker does not let its console read them. To turn that on, set ', el('code', {}, 'console.messages=true'),
			' in its server.properties and restart it. Everybody who reaches this address can read all messages then: there is no log-in.')];
	const partition = p.partition || '0', from = p.at || 'tail', form = p.form || 'auto', count = p.count || '50';
	const local = from === 'time' && p.time ? Date.parse(p.time + (/[zZ]|[+-]\d\d:?\d\d$/.test(p.time) ? '' : 'Z')) : null;
	const a = await ask('messages', { topic: p.name, partition, count, offset: from === 'offset' ? p.offset || '0' : null, time: from === 'time' ? local || 0 : null }).catch((e) => ({ error: e.message }));
	const option = (value, text, chosen) => el('option', { value, selected: value === chosen }, text);
	const read = (e) => {
		e.preventDefault();
		const f = e.target.elements;
		goTo('messages', { at: f.at.value, offset: f.at.value === 'offset' ? f.offset.value : '', time: f.at.value === 'time' ? f.time.value : '', count: f.count.value, form: f.form.value }, [p.name, f.partition.value]);
	};
	const fields = (e) => { e.currentTarget.querySelector('#f-offset').hidden = e.currentTarget.elements.at.value !== 'offset'; e.currentTarget.querySelector('#f-time').hidden = e.currentTarget.elements.at.value !== 'time'; };
	return [...title,
		el('form', { onsubmit: read, onchange: fields },
			el('label', {}, 'Partition', el('input', { id: 'partition', name: 'partition', type: 'number', min: '0', max: String(t.partitions - 1), value: partition })),
			el('label', {}, 'From', el('select', { id: 'at', name: 'at' }, option('tail', 'the latest', from), option('offset', 'an offset', from), option('time', 'a time', from))),
			el('label', { id: 'f-offset', hidden: from !== 'offset' }, 'Offset', el('input', { id: 'offset', name: 'offset', type: 'number', min: '0', value: p.offset || '0' })),
			el('label', { id: 'f-time', hidden: from !== 'time' }, 'Time (UTC)', el('input', { id: 'time', name: 'time', type: 'datetime-local', step: '1', value: p.time || '' })),
			el('label', {}, 'How many', el('select', { id: 'count', name: 'count' }, ['10', '50', '200'].map((n) => option(n, n, count)))),
			el('label', {}, 'Shown as', el('select', { id: 'form', name: 'form' }, option('auto', 'text or JSON', form), option('text', 'plain text', form), option('hex', 'hex', form))),
			el('button', { id: 'read', class: 'main' }, 'Read')),
		a.error ? note('bad', a.error) : [
			el('p', { class: 'soft' }, `${a.records.length} of the offsets ${number(a.start)} to ${number(a.high_watermark)} (not included).`),
			a.problem ? note('bad', a.problem) : null,
			el('ol', { class: 'records', 'aria-label': 'Messages' }, a.records.map((r) => record(r, form))),
			Number(a.next) < Number(a.high_watermark) ? el('p', {}, el('button', { id: 'more', onclick: () => show('messages', { ...p, at: 'offset', offset: String(a.next), time: '' }, [p.name, partition]) }, 'Next messages')) : null]];
}

/* ---- groups, brokers ---- */

async function groups(p) {
	const count = 50;
	const a = await ask('groups', { from: p.from, count, find: p.find });
	const state = (s) => el('span', { class: s === 'Stable' ? 'good-text' : s === 'Empty' || s === 'Dead' ? 'soft' : 'warn-text' }, s);
	return ['Consumer groups',
		el('form', { role: 'search', onsubmit: (e) => { e.preventDefault(); goTo('groups', { find: e.target.elements.find.value }); } },
			el('label', {}, 'Name contains', el('input', { id: 'find', name: 'find', type: 'search', value: p.find || '' })), el('button', { id: 'search' }, 'Search')),
		a.coordinators_elsewhere > 0 ? note('', `Groups coordinated by broker ${a.broker}: other brokers coordinate ${a.coordinators_elsewhere} of ${a.coordinators_elsewhere + a.coordinators_here} parts, see their consoles.`) : null,
		a.whole ? null : note('bad', 'A coordinator is loading or has more than can be shown: the list is not whole.'),
		table(number(a.found) + (a.found === 1 ? ' group' : ' groups'), [['Name'], ['State'], ['Kind'], ['Partitions', 1], ['Lag', 1]],
			a.groups.map((g) => [g.hex ? el('a', { href: '#/group/?hex=' + g.hex }, short(g.name)) : link(short(g.name) || '(empty)', 'group', g.name), state(g.state), g.protocol_type || '–', number(g.partitions),
				number(g.lag) + (g.lag_unknown > 0 ? ` (of ${g.lag_unknown} partitions not known here)` : '')])),
		pages(a, a.groups.length, count, (from) => show('groups', { ...p, from }))];
}

async function group(p) {
	const g = await ask('group', p.hex ? { hex: p.hex } : { name: p.name });
	if (g.state === 'Dead' && g.offsets.length === 0 && g.members.length === 0) return ['Group ' + short(g.name), note('bad', 'There is no such group.')];
	const lag = g.offsets.reduce((n, o) => n + Number(o.lag || 0), 0);
	const holder = new Map();
	for (const m of g.members) for (const a of m.assigned) for (const x of a.partitions) holder.set(a.topic + '\n' + x, m);
	return ['Group ' + short(g.name),
		cards([['State', g.state], ['Members', number(g.members.length)], ['Lag', number(lag)], ['Assignor', g.protocol || '–', true]]),
		el('h2', {}, 'Offsets'),
		table('Offsets', [['Topic'], ['Partition', 1], ['Committed', 1], ['End', 1], ['Lag', 1], ['Member']],
			g.offsets.map((o) => { const m = holder.get(o.topic + '\n' + o.partition); return [link(o.topic, 'topic', o.topic), String(o.partition), number(o.offset), number(o.end), number(o.lag), m ? short(m.client) : 'none']; })),
		el('h2', {}, 'Members'),
		table('Members', [['Client'], ['Host'], ['Member id'], ['Assigned']],
			g.members.map((m) => [short(m.client), m.host, el('code', {}, short(m.id) + (m.instance ? ' (' + short(m.instance) + ')' : '')), m.assigned.map((a) => a.topic + ' ' + a.partitions.join(', ')).join('; ') || 'nothing']))];
}

async function brokers() {
	const a = await ask('brokers');
	return ['Brokers',
		table(number(a.brokers.length) + (a.brokers.length === 1 ? ' broker is alive' : ' brokers are alive'), [['Broker'], ['Addresses'], ['Rack'], ['Leads', 1], ['Replicas', 1], ['Out of sync', 1]],
			a.brokers.map((b) => [b.id + (b.id === a.controller ? ' (controller)' : '') + (b.id === a.broker ? ' (this one)' : ''),
				b.endpoints.map((e) => `${e.listener} ${e.host}:${e.port}`).join(', '), b.rack == null ? '–' : b.rack, number(b.leaders), number(b.replicas), bad(b.out_of_sync)]))];
}

/* ---- where we are: #/section/name?arguments ---- */

const sections = { '': [overview, 'overview'], topics: [topics, 'topics'], topic: [topic, 'topics'], messages: [messages, 'topics'], groups: [groups, 'groups'], group: [group, 'groups'], brokers: [brokers, 'brokers'] };

function show(section, args, names) {
	const query = new URLSearchParams(Object.entries(args || {}).filter(([k, v]) => k !== 'name' && k !== 'partition' && v != null && v !== '' && v !== 0)).toString();
	location.hash = '#/' + [section, ...(names || [])].map(encodeURIComponent).join('/') + (query ? '?' + query : '');
}

/* The same, also when nothing has changed: then it is read anew. */
function goTo(section, args, names) {
	const before = location.hash;
	show(section, args, names);
	if (location.hash === before) load(false);
}

function where() {
	const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
	const parts = path.split('/').map((s) => { try { return decodeURIComponent(s); } catch { return s; } });
	return { section: parts[0], args: { ...Object.fromEntries(new URLSearchParams(query || '')), name: parts[1], partition: parts[2] } };
}

/* What had the focus has it again after the page was drawn anew. */
function draw(title, elements, is_refresh) {
	const active = document.activeElement;
	const same = active && main.contains(active) ? (active.id ? '#' + CSS.escape(active.id) : active.getAttribute('href') ? `a[href="${CSS.escape(active.getAttribute('href'))}"]` : null) : null;
	document.title = title + ' – skein console';
	main.replaceChildren(el('h1', {}, title), ...elements.flat(Infinity).filter((e) => e != null));
	if (is_refresh && same) main.querySelector(same)?.focus({ preventScroll: true });
	else if (!is_refresh) { main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
}

const editing = () => main.contains(document.activeElement) && ['INPUT', 'SELECT', 'PRE'].includes(document.activeElement.tagName);

async function load(wants_refresh) {
	const is_refresh = wants_refresh && main.querySelector('h1') !== null;	/* else there is nothing yet */
	const mine = ++turn;
	const { section, args } = where();
	const [page, mark] = (Object.hasOwn(sections, section) && sections[section]) || [async () => ['Not here', note('bad', 'There is no such page.')], ''];
	clearTimeout(timer);
	for (const a of document.querySelectorAll('nav a')) {
		if (a.dataset.section === mark) a.setAttribute('aria-current', 'page');
		else a.removeAttribute('aria-current');
	}
	try {
		const [title, ...elements] = await page(args);
		if (mine !== turn) return;
		if (!is_refresh || !editing()) draw(title, elements, is_refresh);
		status.textContent = '';
	} catch (e) {
		if (mine !== turn) return;
		if (is_refresh) status.textContent = 'Not refreshed: ' + e.message;
		else draw('Not to be had', [note('bad', e.message)], false);
	}
	if (live.checked && section !== 'messages') timer = setTimeout(() => document.hidden ? again() : load(true), REFRESH_MS);
}

function again() {
	document.addEventListener('visibilitychange', () => load(true), { once: true });
}

document.querySelector('.skip').addEventListener('click', (e) => { e.preventDefault(); main.focus(); });
live.addEventListener('change', () => load(true));
window.addEventListener('hashchange', () => load(false));
load(true).then(() => { if (timer) { clearTimeout(timer); timer = setTimeout(() => load(true), 1500); } });
