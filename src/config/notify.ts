/** Where the owner hears of approvals that wait and of what looks like an attack. Decides what may be written; sending is host/notify's. */
import * as z from 'zod';
import { set } from './setting.ts';

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const path = z
  .string()
  .max(4_096)
  .regex(/^\/[^\p{Cc}]*$/u, 'expected the absolute path of a file');

export const ChannelEntry = z.strictObject({
  name: z.string().regex(NAME, 'expected a short name of lower-case letters, digits and dashes'),
  kind: z.enum(['ntfy', 'webhook', 'smtp']),
  /** ntfy: https://host/topic; webhook: where JSON is posted; smtp: smtp(s)://host:port. */
  url: z.string().max(2_048),
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
  user: z.string().max(200).optional(),
  from: z.string().max(320).optional(),
  to: z.array(z.string().max(320)).max(16).default([]),
  caFile: path.optional(),
});

export const CHANNELS_EXAMPLE = `- {name: phone, kind: ntfy, url: "https://ntfy.example.org/deckhand-a8Kz", secretFile: /etc/deckhand/ntfy.token}
- {name: mail, kind: smtp, url: "smtps://mail.example.org:465", user: deckhand, secretFile: /etc/deckhand/smtp.password, from: deckhand@example.org, to: [me@example.org]}`;

export const NotifySettings = z.strictObject({
  channels: set(
    z
      .array(ChannelEntry)
      .max(16)
      .refine((list) => new Set(list.map((c) => c.name)).size === list.length, 'expected each name once')
      .default([]),
    'Where approvals that wait (with a link to decide) and security events are told.',
    { expects: 'a list of maps of name, kind, url and what that kind needs', example: CHANNELS_EXAMPLE },
  ),
});
