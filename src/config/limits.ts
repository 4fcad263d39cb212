/** How much callers may ask of this process. What is counted before anybody is known stands in http.ts. */
import * as z from 'zod';
import { int, plain } from './bounds.ts';
import { set } from './setting.ts';

export const LimitSettings = z.strictObject({
  callsPerMinute: set(
    int(1, 10_000_000, 240),
    'Tool calls a minute for one principal; dear tools count more than once.',
  ),
  changesPerHour: set(int(1, 100_000, 60), 'Changes an hour for one principal.'),
  changesPerDay: set(int(0, 100_000, 300), 'Changes a day for one principal.'),
  concurrentCalls: set(
    int(1, 1000, 32),
    'Calls running at once in one process; three quarters of them may be heavy ones (dear, long, or changes).',
  ),
  concurrentPerPrincipal: set(
    int(1, 1000, 8),
    'Calls running at once for one principal; three quarters of them may be heavy ones.',
  ),
  waitSeconds: set(
    int(1, 40, 20),
    'A call not done by then goes on in the server and answers `running` with a handle.',
    {
      unit: 'seconds',
    },
  ),
  shared: z.strictObject({
    url: set(
      z
        .string()
        .max(2_048)
        .regex(/^(rediss?:\/\/[^\s@]*|unix:\/[^\s]*)$/)
        .nullable()
        .default(null),
      'Valkey or Redis in which several instances behind one name count requests and failed tries of an address together. While it does not answer, each counts for itself.',
      {
        expects: 'redis://host:port, rediss://host:port or unix:/path, without user and password',
        defaultText: 'none: each counts for itself',
      },
    ),
    passwordFile: set(plain(4096).nullable().default(null), 'File with its password; only its owner may read it.', {
      folder: true,
      expects: 'the path of a file',
      defaultText: 'none',
    }),
  }),
});
