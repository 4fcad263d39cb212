/**
 * The page behind a link: one question as its decider sees it, and a form. Static HTML without scripts and without anything from elsewhere.
 * Whatever others could have written is escaped, written out where it cannot be seen, held left to right, and stands behind a bar, so that
 * none of it can look like ours. Pure; what the form does is approvals.ts's.
 */
import { hash } from 'node:crypto';
import { reveal } from '../core/foreign.ts';
import { ago, duration, rfc3339 } from '../core/text.ts';
import type { Approval } from '../policy/links.ts';

/** No part scrolls by itself: who presses the button has had all of it under the eyes. */
const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#16181d;--dim:#52565e;--line:#c8ccd3;--box:#f3f4f6;--bar:#b45309;--good:#14682d;--bad:#a31621;--press:#fff}
@media(prefers-color-scheme:dark){:root{--bg:#15171b;--fg:#eceef1;--dim:#a9aeb8;--line:#454a54;--box:#1f2228;--bar:#f0a94a;--good:#7ddc98;--bad:#ff9c94;--press:#15171b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:1rem/1.5 system-ui,sans-serif}
main{max-width:44rem;margin:0 auto;padding:1rem}
h1{font-size:1.35rem;line-height:1.3;margin:.5rem 0 1rem}
h2{font-size:1rem;margin:1.25rem 0 .25rem}
dl{margin:0}
dt{color:var(--dim);font-size:.875rem}
dd{margin:0 0 .6rem}
.theirs{border-left:.25rem solid var(--bar);background:var(--box);padding:.3rem .6rem;overflow-wrap:anywhere;white-space:pre-wrap;unicode-bidi:isolate;direction:ltr}
pre.theirs{font:.875rem/1.45 ui-monospace,monospace;margin:0}
.note,.small{color:var(--dim);font-size:.875rem}
.destroy{color:var(--bad);font-weight:700}
.said{border:.125rem solid var(--bad);border-radius:.4rem;padding:.5rem .75rem;margin:1rem 0}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{width:100%;min-height:2.75rem;font:inherit;color:inherit;background:var(--bg);border:.0625rem solid var(--dim);border-radius:.4rem;padding:.4rem .6rem}
.row{display:flex;gap:.75rem;margin:1.25rem 0}
button{flex:1;min-height:3rem;font:inherit;font-weight:700;border-radius:.4rem;border:.125rem solid;cursor:pointer}
.no{background:var(--bg);color:var(--bad);border-color:var(--bad)}
.yes{background:var(--good);color:var(--press);border-color:var(--good)}
:focus-visible{outline:.1875rem solid var(--bar);outline-offset:.125rem}
`;

/** Nothing is loaded, nothing runs, nobody frames it, and the form goes nowhere else. */
export const CSP = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export interface Asking {
  hostname: string;
  now: number;
  /** Of the form, for this browser and this link. */
  csrf: string;
  /** Who looks, where that is known and may decide: then no token is asked for. */
  who: string | null;
  /** What became of a try, in our words. */
  said?: string | undefined;
  because?: string | undefined;
}

export const MOST_BECAUSE = 200;

export function questionPage(a: Approval, o: Asking): string {
  const { face, client, address } = a.origin;
  const from = [face && `over ${face}`, address && `from ${address}`].filter(Boolean).join(' ');
  const risk =
    a.risk === 'destroy' ? '<span class="destroy">destroys: it may not be possible to take it back</span>' : 'change';
  const rows: [string, string | null][] = [
    ['Effect', theirs(a.summary)],
    ['Tool', `${escaped(a.tool)} (${risk})`],
    ['On', a.targets.length > 0 ? theirs(a.targets.map((t) => `${t.kind}:${t.name}`).join('\n')) : 'no single thing'],
    ['Asked by', theirs(`${a.principal}${from ? ` ${from}` : ''}`)],
    ['Calls itself (its own word)', client ? theirs(client) : null],
    ['Asked', `${rfc3339(a.createdAtMs)} (${ago(a.createdAtMs, o.now)})`],
    ['Waits until', `${rfc3339(a.expiresAtMs)} (${duration(Math.max(0, a.expiresAtMs - o.now))} left)`],
  ];
  const list = rows.map(([name, value]) => (value === null ? '' : `<dt>${name}</dt><dd>${value}</dd>`)).join('\n');
  const token = o.who
    ? `<p>You decide as ${theirs(o.who, 'span')}.</p>`
    : `<label for="token">Admin token</label>
<input id="token" name="token" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="4096" required aria-describedby="about-token">
<p class="small" id="about-token">Not that of who asks. On the host, <code>deckhand token add NAME --role admin</code> makes one. It is used for this decision and not kept.</p>`;
  return page(
    `${o.hostname}: a change waits`,
    `<h1>${escaped(o.hostname)}: a change waits for your decision</h1>
${o.said === undefined ? '' : `<p class="said" role="alert">${escaped(o.said)}</p>`}
<dl>
${list}
</dl>
<h2>Arguments</h2>
<pre class="theirs">${shown(argumentsIn(a.shown))}</pre>
${a.diff ? `<h2>Difference</h2>\n<pre class="theirs">${shown(a.diff)}</pre>` : ''}
<p class="note">What stands behind a bar may have been written by others. Secrets are left out; what cannot be seen is written out as \\u{…}.</p>
<form method="post" autocomplete="off">
<button type="submit" disabled hidden></button>
<input type="hidden" name="csrf" value="${escaped(o.csrf)}">
${token}
<label for="because">Reason (may be left empty)</label>
<input id="because" name="because" type="text" maxlength="${MOST_BECAUSE}" autocomplete="off" value="${escaped(o.because ?? '')}">
<div class="row"><button class="no" name="decision" value="deny">Deny</button><button class="yes" name="decision" value="approve">Approve once</button></div>
</form>
<p class="note">A yes holds for exactly this call, once, while nothing else has changed. On the host: <code>deckhand approve ${escaped(a.id)}</code></p>`,
  );
}

export function decidedPage(a: Approval, o: { hostname: string; now: number }): string {
  const yes = a.state === 'granted';
  const left = duration(Math.max(0, a.expiresAtMs - o.now));
  return page(
    yes ? 'Approved' : 'Refused',
    `<h1 role="status">${yes ? 'Approved' : 'Refused'}</h1>
<p>${yes ? `${escaped(o.hostname)} lets this happen once, within ${left}, when it is asked for again:` : `The same call is refused for ${left}:`}</p>
<p class="theirs">${shown(a.summary)}</p>
<p class="note">This link is used up; you may close the page.</p>`,
  );
}

/** Of all that does not serve: the same words, whatever the reason. */
export function plainPage(title: string, text: string): string {
  return page(title, `<h1>${escaped(title)}</h1>\n<p>${escaped(text)}</p>`);
}

const page = (title: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string) => text.replace(/[&<>"']/g, (c) => ENTITIES[c] as string);

/** Written out before it is escaped: it was so when it was stored, and is again. */
const shown = (text: string) => escaped(reveal(text));
const theirs = (text: string, tag = 'div') => `<${tag} class="theirs">${shown(text)}</${tag}>`;

function argumentsIn(given: unknown): string {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return String(given);
  const parts = Object.entries(given).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return parts.join('\n') || 'none';
}
