/**
 * The eight ways a call can fail, and what each means on every face (HTTP status, exit code, worth a retry).
 * Every layer throws OpsError; nothing else decides a status. Adapters add the code, handlers the hint.
 */
export const CODES = {
  validation: { http: 400, exit: 2, retry: false },
  permission: { http: 403, exit: 3, retry: false },
  not_found: { http: 404, exit: 4, retry: false },
  conflict: { http: 409, exit: 5, retry: true },
  limit: { http: 429, exit: 6, retry: true },
  internal: { http: 500, exit: 1, retry: false },
  unavailable: { http: 503, exit: 7, retry: true },
  timeout: { http: 504, exit: 8, retry: true },
} as const;

export type Code = keyof typeof CODES;

export interface ErrorDetails {
  /** What the caller can do about it, in one sentence. */
  hint?: string;
  /** Near misses or valid names, so that the caller picks instead of guessing. */
  candidates?: string[];
  /** Milliseconds after which the same call may succeed. */
  retryAfterMs?: number;
  /** A change that failed after its first effect: with this `undo` takes back what there is of it. */
  receipt?: string;
  /** By which line of the owner's policy, for the record alone. */
  rule?: string;
  /** The operating system's error name, where there is one: a read is retried on some of them. */
  errno?: string;
}

/** What every face prints of an error. `call` is the correlation id, the same in log and audit. */
export interface WireError extends Omit<ErrorDetails, 'errno' | 'rule'> {
  code: Code;
  message: string;
  call?: string;
}

export class OpsError extends Error {
  override readonly name = 'OpsError';
  readonly code: Code;
  readonly details: ErrorDetails;

  constructor(code: Code, message: string, { cause, ...details }: ErrorDetails & { cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/** The only errno table. What is not in it is our bug (`internal`) and says nothing about itself to a caller. */
const ERRNO: Record<string, Code> = {
  ENOENT: 'not_found',
  ESRCH: 'not_found',
  ENOTDIR: 'not_found',
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'permission',
  EEXIST: 'conflict',
  ENOTEMPTY: 'conflict',
  EBUSY: 'conflict',
  EADDRINUSE: 'conflict',
  EINVAL: 'validation',
  ENAMETOOLONG: 'validation',
  ELOOP: 'validation',
  EISDIR: 'validation',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EPIPE: 'unavailable',
  EAGAIN: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETUNREACH: 'unavailable',
  ENOTFOUND: 'unavailable',
  EIO: 'unavailable',
  ENOTCONN: 'unavailable',
  ESTALE: 'unavailable',
  ETIMEDOUT: 'timeout',
  ENOSPC: 'limit',
  EDQUOT: 'limit',
  EMFILE: 'limit',
  ENFILE: 'limit',
  ENOMEM: 'limit',
  EFBIG: 'limit',
};

/** Anything thrown becomes an OpsError here and nowhere else. */
export function toOpsError(thrown: unknown): OpsError {
  if (thrown instanceof OpsError) return thrown;
  if (thrown instanceof DOMException && thrown.name === 'TimeoutError')
    return new OpsError('timeout', 'The operation did not finish in time.', { cause: thrown });
  if (thrown instanceof DOMException && thrown.name === 'AbortError')
    return new OpsError('timeout', 'The caller cancelled.', { cause: thrown });
  const errno = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const code = Object.hasOwn(ERRNO, errno) ? ERRNO[errno] : undefined;
  if (code) return new OpsError(code, (thrown as Error).message, { cause: thrown, errno });
  return new OpsError('internal', 'Something failed inside the server.', {
    hint: 'The server log has the cause under this call id.',
    cause: thrown,
  });
}

export function toWire(error: OpsError, call?: string): WireError {
  const { errno: _, rule: __, ...details } = error.details;
  return { code: error.code, message: error.message, ...details, ...(call ? { call } : {}) };
}
