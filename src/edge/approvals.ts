/**
 * /approvals/l_…: a question shown to whoever holds its link, and decided by who may. GET and HEAD show and nothing more, because mail
 * scanners and previews follow links; only a POST decides, and only for a principal: who the listener of the tailnet knows, a bearer token in
 * the header, or one in the form. Decides what is asked and answered over HTTP; who may decide is policy/links.ts's. A link that does not
 * serve gets one answer, whatever the reason.
 */
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Log, Principal } from '../core/call.ts';
import { CODES, OpsError, toOpsError } from '../core/errors.ts';
import type { Recognised } from '../policy/credentials.ts';
import { type Approval, gone, type Links } from '../policy/links.ts';
import { cookieOf, csrfOf, type Form, foreignForm, formIn, nonceOf } from './approvals_form.ts';
import { CSP, decidedPage, plainPage, questionPage } from './approvals_page.ts';
import type { Challenges } from './challenges.ts';
import { rateFields } from './limits_admission.ts';
import type { Recognise } from './recognise.ts';
import { type Refusals, retryAfter, type Visit } from './refusals.ts';

const PATH = /^\/approvals\/([A-Za-z0-9_-]{1,64})(?:\?.*)?$/;
/** What records say: who reads them must not be able to use a link. */
const SHOWN = '/approvals';
/** What tokens of `deckhand token add` begin with. */
const OURS = 'dh_';

export interface ApprovalRoute {
  /** True: it is seen to here. */
  take(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
}

export interface ApprovalRouteOptions {
  links: Omit<Links, 'make'>;
  recognise: Recognise;
  challenges: Challenges;
  /** Host, Origin and rate of the address. Null: refused, and the long way says so. */
  knock(incoming: IncomingMessage): Visit | null;
  refusals: Refusals;
  headers: readonly (readonly [string, string])[];
  hostname: string;
  /** Under which people reach us, where the owner says so. */
  url: string | null;
  log: Log;
  newId(): string;
  now(): number;
}

interface Asked {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  visit: Visit;
  handle: string;
  secure: boolean;
}

type Answer = { status: number; html: string; headers?: Record<string, string> };

export function createApprovalRoute(o: ApprovalRouteOptions): ApprovalRoute {
  const { links, refusals } = o;
  // `same-origin`: with `no-referrer` a browser would send the form with `Origin: null`, and the gate keeps it out.
  const own: Record<string, string> = {
    'content-security-policy': CSP,
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };
  const common = Object.fromEntries(o.headers.map(([name, value]) => [name.toLowerCase(), value]));
  const ours = o.url === null ? null : new URL(o.url);

  function take(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const handle = PATH.exec(incoming.url ?? '')?.[1];
    if (handle === undefined) return false;
    const visit = o.knock(incoming);
    if (!visit) return false;
    const asked = { incoming, outgoing, visit, handle, secure: isSecure(incoming, visit) };
    void route(asked)
      .catch((thrown) => failed(thrown, asked))
      .then((answer) => send(answer, asked));
    return true;
  }

  /** Whether the browser came over TLS, so that its cookie may say so. */
  function isSecure(incoming: IncomingMessage, visit: Visit): boolean {
    if ((incoming.socket as TLSSocket).encrypted) return true;
    if (visit.listener === 'tailnet') return incoming.headers['x-forwarded-proto'] === 'https';
    return ours?.protocol === 'https:' && incoming.headers.host?.toLowerCase() === ours.host;
  }

  async function route(asked: Asked): Promise<Answer> {
    const { method } = asked.incoming;
    if (method === 'GET' || method === 'HEAD') return look(asked);
    if (method === 'POST') return decide(asked);
    throw Object.assign(new OpsError('validation', `${method} is not served here.`), { allow: 'GET, HEAD, POST' });
  }

  async function look(asked: Asked): Promise<Answer> {
    const approval = links.find(asked.handle);
    if (!approval) throw gone();
    return { status: 200, ...(await question(asked, approval, {})) };
  }

  async function decide(asked: Asked): Promise<Answer> {
    const { incoming, visit, handle, secure } = asked;
    const approval = links.find(handle);
    if (!approval) throw gone();
    const form = await formIn(incoming);
    // A browser sends this header for nobody else's page: then there is nothing to be tricked into.
    const byHeader = incoming.headers.authorization !== undefined && form.token === '';
    const foreign = byHeader ? null : foreignForm(incoming, handle, form.csrf, secure);
    if (foreign) return again(asked, visit, approval, form, foreign, {});
    const { found, of } = await identity(asked, form);
    if ('refused' in found) {
      const { status, error, headers } = o.challenges.refusal(found);
      // Nothing was shown: that is a form which was sent empty.
      const said = found.sent ? error : unknown();
      return again(asked, of, approval, form, said, { status, headers });
    }
    const who = found.principal;
    const no = links.refused(approval, who);
    if (no) return again(asked, of, approval, form, no, {});
    const because = form.because === '' ? {} : { because: form.because };
    try {
      const decided = links.decide(handle, who, { granted: form.granted, ...because });
      return { status: 200, html: decidedPage(decided, { hostname: o.hostname, now: o.now() }) };
    } catch (thrown) {
      const error = toOpsError(thrown);
      // Somebody else was first, or it ran out while this was typed.
      throw error.code === 'conflict' || error.code === 'not_found' ? gone() : error;
    }
  }

  /** What stands in the form counts before anything else: it was typed for this. */
  async function identity(asked: Asked, { token }: Form): Promise<{ found: Recognised; of: Visit }> {
    const { incoming, visit } = asked;
    const header = headerOf(incoming);
    if (token === '') return { found: await o.recognise(visit, header), of: visit };
    const { recognised: _, principal: __, hashed: ___, ...rest } = visit;
    // Under its hash, as any other credential: a failed try counts against the address.
    const of: Visit = { ...rest, credential: hash('sha256', token) };
    // Only what we made ourselves: anything else that is typed there by mistake must not go on to an issuer to be asked about.
    const ours = token.startsWith(OURS) ? token : OURS;
    const shown = (name: string) => (name === 'authorization' ? `Bearer ${ours}` : header(name));
    return { found: await o.recognise(of, shown), of };
  }

  async function question(
    { incoming, visit, handle, secure }: Asked,
    approval: Approval,
    more: { said?: string; because?: string },
  ): Promise<Omit<Answer, 'status'>> {
    const { nonce } = nonceOf(incoming, secure);
    const who = await looker(incoming, visit);
    const may = who && links.refused(approval, who) === null ? who.id : null;
    const { hostname } = o;
    const html = questionPage(approval, { hostname, now: o.now(), csrf: csrfOf(handle, nonce), who: may, ...more });
    return { html, headers: { 'set-cookie': cookieOf(nonce, secure) } };
  }

  /** Only the tailnet tells by itself who looks. */
  async function looker(incoming: IncomingMessage, visit: Visit): Promise<Principal | null> {
    if (visit.listener !== 'tailnet') return null;
    const found = await o.recognise(visit, headerOf(incoming));
    return 'principal' in found ? found.principal : null;
  }

  /** The question once more, with what was wrong. The token is typed anew. */
  async function again(
    asked: Asked,
    of: Visit,
    approval: Approval,
    form: Form,
    error: OpsError,
    { status = CODES[error.code].http, headers = {} }: { status?: number; headers?: Record<string, string> },
  ): Promise<Answer> {
    refusals.record(of, `POST ${SHOWN}`, error);
    const page = await question(asked, approval, { said: sentence(error), because: form.because });
    return { status, html: page.html, headers: { ...page.headers, ...headers } };
  }

  function failed(thrown: unknown, { incoming, visit }: Asked): Answer {
    const error = toOpsError(thrown);
    const id = refusals.record(visit, `${incoming.method} ${SHOWN}`, error);
    if (error.code === 'internal')
      o.log.error({ call: id, err: error.cause }, 'a request for an approval failed inside');
    const { allow } = thrown as { allow?: string };
    const wait = error.code === 'limit' ? 413 : CODES[error.code].http;
    return {
      status: allow === undefined ? wait : 405,
      html: plainPage(
        error.code === 'not_found' ? error.message : 'That did not work',
        sentence(error, error.code === 'not_found'),
      ),
      headers: {
        ...(allow === undefined ? {} : { allow }),
        ...(error.code === 'unavailable' ? retryAfter(error.details.retryAfterMs) : {}),
      },
    };
  }

  function send({ status, html, headers = {} }: Answer, { incoming, outgoing, visit }: Asked): void {
    if (outgoing.destroyed || outgoing.headersSent) return;
    // What is still coming of a body is not read on.
    const cut = incoming.method !== 'GET' && incoming.method !== 'HEAD' && !incoming.complete;
    const rated = rateFields(visit);
    for (let i = 0; i < rated.length; i += 2) outgoing.setHeader(rated[i] as string, rated[i + 1] as string);
    outgoing.writeHead(status, {
      ...common,
      ...own,
      ...headers,
      ...(cut ? { connection: 'close' } : {}),
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(html)),
    });
    outgoing.end(incoming.method === 'HEAD' ? undefined : html);
  }

  return { take };
}

const unknown = () =>
  new OpsError('permission', 'Nothing is decided: it takes the token of an admin.', {
    hint: 'On the host, `deckhand token add NAME --role admin` makes one.',
  });

const sentence = ({ message, details }: OpsError, hintOnly = false): string =>
  hintOnly ? (details.hint ?? '') : [message, details.hint].filter(Boolean).join(' ');

const headerOf = (incoming: IncomingMessage) => (name: string) => {
  const value = incoming.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
};
