#!/usr/bin/env python3
"""console_judge.py VERB HOST:PORT [FOLDER]: the console as a person at a browser meets it. One line about what is wrong ends it with 1.

pages     every page by mouse and keyboard, on a desk and a phone, light and dark; names and messages that would be markup
elsewhere TOPIC PARTITION LEADER   in a cluster, at a broker without that partition
pictures  the pictures of docs/CONSOLE.md, into FOLDER
"""
import sys
import time

from browser import Browser, Failure

HEADING = "document.querySelector('h1')?.textContent"
DRAWN = HEADING + " === %r"


def check(is_right, what):
    if not is_right:
        raise Failure(what)


def open_page(b, at, place, heading):
    b.go("about:blank")		# what is there next has been drawn anew
    b.go("http://%s/#/%s" % (at, place))
    b.until(DRAWN % heading)


def contrast(b):
    """The least contrast of a text to what lies behind it (WCAG: 4.5)."""
    return b.value("""(() => {
        const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
        const light = (c) => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
        const colour = (s) => s.match(/[\\d.]+/g).map(Number);
        const behind = (e) => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
        let least = 21;
        for (const e of document.querySelectorAll('body *')) {
            if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest('noscript') || e.disabled) continue;
            const a = light(colour(getComputedStyle(e).color)), c = light(behind(e));
            least = Math.min(least, (Math.max(a, c) + 0.05) / (Math.min(a, c) + 0.05));
        }
        return least; })()""")


def looks_right(b, what):
    check(b.value("document.documentElement.scrollWidth <= window.innerWidth"), what + ": wider than the window")
    check(b.value("[...document.querySelectorAll('input, select')].every((e) => e.labels.length > 0)"), what + ": a field without a label")
    check(b.value("[...document.querySelectorAll('a, button')].every((e) => e.textContent.trim() !== '')"), what + ": a link or button without a name")
    check(b.value("document.querySelectorAll('h1').length === 1 && new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size === document.querySelectorAll('[id]').length"),
          what + ": not one heading, or an id twice")
    check("[object " not in b.value("document.body.textContent"), what + ": something is not text")
    check(b.value("[...document.querySelectorAll('[hidden]')].every((e) => e.offsetHeight === 0)"), what + ": what is hidden is seen")
    least = contrast(b)
    check(least >= 4.5, "%s: contrast %.2f" % (what, least))


PLACES = [("", "Overview"), ("topics", "Topics"), ("topic/orders", "orders"), ("messages/orders/0", "Messages of orders"), ("groups", "Consumer groups"), ("group/readers", "Group readers"),
          ("brokers", "Brokers"), ("nowhere", "Not here"), ("__proto__", "Not here"), ("constructor/x", "Not here"), ("group/nobody", "Group nobody"), ("group/?hex=6f6464ff", "Group odd\ufffd")]


def walk(b, at):
    for width, height, is_phone in ((1280, 800, False), (390, 844, True)):
        for is_dark in (False, True):
            b.view(width, height, is_dark, is_phone)
            for place, heading in PLACES:
                open_page(b, at, place, heading)
                looks_right(b, "#/%s %dx%d%s" % (place, width, height, " dark" if is_dark else ""))


def by_keyboard(b, at):
    b.view(1280, 800)
    open_page(b, at, "", "Overview")
    # From the top: past the end the focus is the browser's own for a while.
    b.value("document.querySelector('.skip').focus(); true")
    check(b.value("document.querySelector('.skip').getBoundingClientRect().left >= 0"), "the link over the navigation is not seen when it has the focus")
    seen = []
    for _ in range(8):
        b.key("Tab")
        seen.append(b.value("document.activeElement.textContent"))
        check(b.value("getComputedStyle(document.activeElement).outlineStyle !== 'none'"), "no sign of the focus at " + seen[-1])
        if seen[-1] == "Topics":
            break
    check(seen[-1] == "Topics", "Topics is not reached by Tab: %s" % seen)
    b.key("Enter")
    b.until(DRAWN % "Topics")
    b.value("document.getElementById('find').focus(); document.getElementById('find').value = 'pay'; true")
    b.key("Enter")
    b.until("location.hash.includes('find=pay') && document.querySelectorAll('tbody tr').length === 1")
    check(b.value("document.querySelector('tbody th').textContent") == "payments", "the search finds another topic")


def nothing_becomes_markup(b, at):
    for place, heading in (("topics?find=%3Cimg%20src%3Dx%20onerror%3Dhit%3D1%3E", "Topics"), ("messages/payments/0", "Messages of payments"),
                           ("topic/%3Cscript%3Ehit%3D1%3C%2Fscript%3E", "Not to be had"), ("groups", "Consumer groups")):
        open_page(b, at, place, heading)
        time.sleep(0.2)
        check(b.value("document.querySelectorAll('main script, main img, main iframe, main svg').length === 0 && !window.hit"), place + ": markup")
    open_page(b, at, "messages/payments/0", "Messages of payments")
    check("<script>hit=1</script>" in b.value("document.querySelector('main').textContent"), "the message is not shown as it is")
    check("<img src=x onerror=hit=1>" in b.value("document.querySelector('main').textContent"), "the header is not shown as it is")
    open_page(b, at, "groups", "Consumer groups")
    check("<b onclick=hit=1>" in b.value("document.querySelector('main').textContent"), "the group's name is not shown as it is")


def reads_messages(b, at):
    b.view(1280, 800)
    open_page(b, at, "messages/orders/0?at=offset&offset=3&count=10", "Messages of orders")
    check(b.value("document.querySelector('.records b').textContent") == "3", "not from offset 3")
    check(b.value("document.querySelectorAll('.records > li').length") == 10, "not ten messages")
    check('\n  "' in b.value("document.querySelectorAll('.records pre')[1].textContent"), "JSON is not set out")
    b.value("document.getElementById('more').click(); true")
    b.until("document.querySelector('.records b')?.textContent === '13'")
    b.value("document.getElementById('form').value = 'hex'; document.getElementById('read').click(); true")
    b.until("/^000000 {2}[0-9a-f]{2} /.test(document.querySelector('.records pre')?.textContent)")
    open_page(b, at, "messages/orders/0?at=time&time=2001-01-01T00:00:00&count=10", "Messages of orders")
    check(b.value("document.querySelector('.records b').textContent") == "0", "by time not from the beginning")


def pages(at):
    with Browser() as b:
        walk(b, at)
        by_keyboard(b, at)
        reads_messages(b, at)
        nothing_becomes_markup(b, at)
        check(not b.complaints(), "the browser complains: %s" % b.complaints())
        elsewhere = [u for u in b.asked() if not u.startswith(("http://%s/" % at, "about:", "data:image/svg"))]	# data: the browser's own sign in a field for times
        check(not elsewhere, "others were asked: %s" % elsewhere)
        # What a page must not do here, the policy refuses.
        check(b.value("fetch('http://127.0.0.1:9/').then(() => 'let through', () => 'refused')") == "refused", "the policy lets a request out")
        check(b.value("(() => { const s = document.createElement('script'); try { s.textContent = 'window.hit = 2'; } catch { s.append('window.hit = 2'); } document.head.append(s); return window.hit; })()") != 2,
              "the policy lets an inline script run")
    # By another name nothing is shown: the browser is made to believe that it means us.
    with Browser(extra=["--host-resolver-rules=MAP evil.example 127.0.0.1"]) as b:
        b.go("http://evil.example:%s/" % at.split(":")[1])
        b.until("document.body && document.body.innerText.includes('console.hosts')")


def off(at):
    with Browser() as b:
        open_page(b, at, "messages/orders/0", "Messages of orders")
        check("console.messages=true" in b.value("document.querySelector('main').textContent"), "it does not say how to turn messages on")


def elsewhere(at, topic, partition, leader):
    """A partition that this broker does not have."""
    with Browser() as b:
        open_page(b, at, "topic/" + topic, topic)
        row = "document.querySelectorAll('tbody')[0].rows[%s]" % partition
        check(b.value(row + ".cells[1].textContent") == leader, "not led by broker " + leader)
        check("elsewhere" in b.value(row + ".textContent"), "it does not say that the data are elsewhere")
        looks_right(b, "a topic of the cluster")
        open_page(b, at, "messages/%s/%s" % (topic, partition), "Messages of " + topic)
        check("its leader is broker " + leader in b.value("document.querySelector('main').textContent"), "it does not say where the messages are")
        looks_right(b, "messages that are elsewhere")
        open_page(b, at, "groups", "Consumer groups")
        check("other brokers coordinate" in b.value("document.querySelector('main').textContent"), "it does not say that other brokers have groups")
        open_page(b, at, "brokers", "Brokers")
        check(b.value("document.querySelectorAll('tbody tr').length") == 3, "not three brokers")


def pictures(at, folder):
    with Browser() as b:
        for name, place, heading, size, is_dark in (
                ("overview", "", "Overview", (1280, 800), False), ("topic-dark", "topic/orders", "orders", (1280, 800), True),
                ("messages", "messages/orders/0?count=10", "Messages of orders", (1280, 800), False),
                ("group-phone", "group/readers", "Group readers", (390, 844), False), ("topics-phone-dark", "topics", "Topics", (390, 844), True)):
            b.view(*size, is_dark, size[0] < 500)
            open_page(b, at, place, heading)
            time.sleep(3)		# rates want two looks
            b.picture("%s/%s.png" % (folder, name))


try:
    {"pages": pages, "off": off, "elsewhere": elsewhere, "pictures": pictures}[sys.argv[1]](*sys.argv[2:])
except Failure as e:
    sys.exit("console_judge: %s" % e)
