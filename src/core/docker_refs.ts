/**
 * The engine's own grammar of names, as the Docker API and compose define it. A reference becomes part of a request's path, so what
 * is not of this grammar must never get there: `x/archive?path=/etc/shadow` would be another request. Tools check at the door
 * (core/schema.ts), the adapter again.
 */

export const CONTAINER_REF = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
/** Volumes and networks. */
export const OBJECT_REF = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;
/** A compose project, as compose itself spells it. */
export const STACK_NAME = /^[a-z0-9][a-z0-9_-]{0,127}$/;

const MOST_IMAGE = 255;
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*(?::[0-9]{1,5})?$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128}$/;

/** The same as one expression without anchors, for those who cannot ask a function (deploy/docker): only the length is not in it. */
export const IMAGE_SOURCE = (() => {
  const [component, domain, tag, digest] = [COMPONENT, DOMAIN, TAG, DIGEST].map((r) => r.source.slice(1, -1));
  return `(?:${domain}/)?${component}(?:/${component})*(?::${tag})?(?:@${digest})?`;
})();

export interface ImageParts {
  /** With the registry, where one is named. */
  repository: string;
  tag: string | null;
  digest: string | null;
}

/** `registry:5000/team/app:1.2@sha256:…`, an id, or null where the text is neither. */
export function imageParts(text: string): ImageParts | null {
  if (text.length === 0 || text.length > MOST_IMAGE) return null;
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(text)) return { repository: text, tag: null, digest: null };
  const at = text.indexOf('@');
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !DIGEST.test(digest)) return null;
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? null : named.slice(colon + 1);
  if (tag !== null && !TAG.test(tag)) return null;
  const repository = colon < 0 ? named : named.slice(0, colon);
  const [first = '', ...rest] = repository.split('/');
  // As the engine tells them apart: a first part with a dot, a port or capitals, or `localhost`, is a registry.
  const isDomain = rest.length > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  if (isDomain && !DOMAIN.test(first)) return null;
  if (!(isDomain ? rest : [first, ...rest]).every((part) => COMPONENT.test(part))) return null;
  return { repository, tag, digest };
}

export const isContainerRef = (text: string): boolean => CONTAINER_REF.test(text);
export const isImageRef = (text: string): boolean => imageParts(text) !== null;
