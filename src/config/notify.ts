/** Where the owner hears of approvals that wait and of what looks like an attack. Decides what may be written; sending is host/notify's. */
import * as z from 'zod';
import { set } from './setting.ts';

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const path = z
  .string()
  .max(4_096)
  .regex(/^\/[^\p{Cc}]*$/u, 'expected the absolute path of a file');

const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]*$/u, 'expected one line');
const MAIL = /^[^\p{Cc}\s<>,;@]{1,64}@[^\p{Cc}\s<>,;@]{1,255}$/u;
const address = z.string().max(320).regex(MAIL, 'expected a mail address alone');

const SCHEMES: Record<'ntfy' | 'webhook' | 'smtp', { sure: string; plain: string; url: string }> = {
  ntfy: { sure: 'https:', plain: 'http:', url: 'https://host/topic' },
  webhook: { sure: 'https:', plain: 'http:', url: 'https://host/path' },
  smtp: { sure: 'smtps:', plain: 'smtp:', url: 'smtps://host:465, or smtp://host:587 for STARTTLS' },
};

export const ChannelEntry = z
  .strictObject({
    name: z.string().regex(NAME, 'expected a short name of lower-case letters, digits and dashes'),
    kind: z.enum(['ntfy', 'webhook', 'smtp']),
    /** ntfy: https://host/topic; webhook: where JSON is posted; smtp: smtp(s)://host:port. */
    url: line(2_048),
    /** The owner's word that an unencrypted way is meant. */
    plain: z.boolean().default(false),
    /** What it hears of. */
    about: z
      .array(z.enum(['approvals', 'security']))
      .min(1)
      .max(2)
      .default(['approvals', 'security']),
    /** Token of ntfy, key of the webhook's signature, password for SMTP. */
    secretFile: path.optional(),
    user: line(200).optional(),
    from: address.optional(),
    to: z.array(address).max(16).default([]),
    caFile: path.optional(),
  })
  .superRefine((c, ctx) => {
    const wrong = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [key], message });
    const { sure, plain, url: form } = SCHEMES[c.kind];
    const url = URL.canParse(c.url) ? new URL(c.url) : null;
    if (!url || (url.protocol !== sure && url.protocol !== plain) || url.hostname === '')
      return wrong('url', `expected ${form}`);
    // It stands in `deckhand config`, and would not be sent: secrets are in files.
    if (url.username || url.password || url.hash)
      wrong('url', 'expected no user, password or fragment; see `secretFile`');
    if (url.protocol === 'http:' && !c.plain)
      wrong('url', 'expected https, or http together with `plain: true`: all that is sent can then be read on the way');
    if (c.kind === 'ntfy' && (!/^\/(?:[^/]+\/)*[A-Za-z0-9_-]{1,64}$/.test(url.pathname) || url.search))
      wrong('url', `expected ${form}; a topic is up to 64 letters, digits, _ and -`);
    if (c.kind === 'webhook' && c.secretFile === undefined)
      wrong('secretFile', 'expected the file of a key: what a webhook gets is signed');
    if (c.kind !== 'smtp') {
      if (c.user !== undefined || c.from !== undefined || c.to.length > 0)
        wrong('kind', '`user`, `from` and `to` go with smtp');
      return;
    }
    if (!/^\/?$/.test(url.pathname) || url.search) wrong('url', `expected ${form}`);
    if (c.from === undefined) wrong('from', 'expected the address that mails come from');
    if (c.to.length === 0) wrong('to', 'expected at least one address');
    if ((c.user === undefined) !== (c.secretFile === undefined)) wrong('user', '`user` and `secretFile` go together');
  });

export const CHANNELS_EXAMPLE = `- {name: phone, kind: ntfy, url: "https://ntfy.example.org/deckhand-a8Kz", secretFile: /etc/deckhand/ntfy.token}
- {name: hook, kind: webhook, url: "https://hooks.example.org/deckhand", secretFile: /etc/deckhand/hook.key, about: [security]}
- {name: mail, kind: smtp, url: "smtps://mail.example.org:465", user: deckhand, secretFile: /etc/deckhand/smtp.password, from: deckhand@example.org, to: [me@example.org]}`;

export const NotifySettings = z.strictObject({
  channels: set(
    z
      .array(ChannelEntry)
      .max(16)
      .refine((list) => new Set(list.map((c) => c.name)).size === list.length, 'expected each name once')
      .default([]),
    'Where approvals that wait (with a link to decide, where `http.url` is set) and security events are told. `kind`: ntfy, webhook or smtp; `about`: approvals, security or both (default); `secretFile`: token, signing key or password, which only its owner may read; `caFile`: the only authority believed; `plain: true` allows an unencrypted way. docs/notify.md says what each kind needs.',
    { expects: 'a list of maps of name, kind, url and what that kind needs', example: CHANNELS_EXAMPLE },
  ),
});
