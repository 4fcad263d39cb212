/**
 * How the owner names other Deckhands. Decides what may be written: a URL of their HTTP face, and the file of a token there. Nothing is
 * looked at here; the token is read when it is used (host/net/measure.ts).
 */
import * as z from 'zod';

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

function isFace(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const bare = !url.username && !url.password && !url.search && !url.hash && !text.endsWith('/');
  return /^https?:$/.test(url.protocol) && bare && !/[\p{Cc}\s]/u.test(text);
}

const PeerEntry = z
  .strictObject({
    name: z.string().regex(NAME, 'expected a short name of lower-case letters, digits and dashes'),
    url: z.string().max(2_048).refine(isFace, 'expected an https URL without user, query, fragment or final slash'),
    /** The owner's word that http is meant: the token crosses the network for all to read. */
    plain: z.boolean().default(false),
    tokenFile: z
      .string()
      .max(4_096)
      .regex(/^\/[^\p{Cc}]*$/u, 'expected the absolute path of a file'),
  })
  .refine((p) => p.plain || !p.url.startsWith('http:'), {
    path: ['url'],
    message: 'expected https, or http together with `plain: true`: the token then crosses the network unencrypted',
  });

export const PeerList = z
  .array(PeerEntry)
  .max(32)
  .refine((list) => new Set(list.map((p) => p.name)).size === list.length, 'expected each name once')
  .default([]);

export const PEERS_EXAMPLE = `- {name: nas, url: "https://nas.example.org", tokenFile: /etc/deckhand/nas.token}
- {name: attic, url: "http://192.0.2.20:7070", plain: true, tokenFile: /etc/deckhand/attic.token}`;
