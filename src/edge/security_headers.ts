/** Headers that every answer carries, whatever it says. Nothing here is for web pages of others; of CORS only allowed origins hear (http.ts). */

export type Headers = readonly (readonly [name: string, value: string])[];

export const SECURITY_HEADERS: Headers = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-resource-policy', 'same-origin'],
];

/** A day: it holds for all ports of a name, and others may be served in plain there. Ours answers nothing in plain anyway. */
export const OVER_TLS: Headers = [...SECURITY_HEADERS, ['strict-transport-security', 'max-age=86400']];

/** For an answer that is not yet on a socket. */
export function secured(response: Response, headers: Headers): Response {
  const stream = response.headers.get('content-type')?.startsWith('text/event-stream');
  for (const [name, value] of headers) if (!(stream && name === 'cache-control')) response.headers.set(name, value);
  return response;
}
