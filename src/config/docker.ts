/**
 * How the owner names container engines, and what Docker's own environment says of them. Decides what may be written; which engine is
 * asked, and whether somebody answers there, is the host's to see.
 */
import * as z from 'zod';

const ENDPOINT = /^(?:\/|unix:\/\/\/|(?:tcp|https?|ssh):\/\/[^\s/])[^\s\p{Cc}]*$/u;
const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

export const ENDPOINT_EXPECTS = 'an address such as unix:///path/of/socket, tcp://host:2376 or ssh://user@host';
export const Endpoint = z.string().max(1_024).regex(ENDPOINT, `expected ${ENDPOINT_EXPECTS}`);

export const EngineEntry = z.strictObject({
  name: z.string().regex(NAME, 'expected a short name of lower-case letters, digits and dashes'),
  endpoint: Endpoint,
  certPath: z
    .string()
    .max(4_096)
    .regex(/^\/[^\p{Cc}]*$/u, 'expected the absolute path of a folder')
    .optional(),
});

export const CONTAINER_GLOB_EXPECTS = 'names of containers, with * for any text';
export const ContainerGlob = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z0-9*][a-zA-Z0-9*_.-]*$/);

export const ENGINES_EXAMPLE = `- {name: here, endpoint: "unix:///var/run/docker.sock"}
- {name: nas, endpoint: "tcp://192.0.2.10:2376", certPath: /etc/deckhand/nas}`;
