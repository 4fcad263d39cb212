/**
 * The doctor's look at the issuers of `auth.issuers`: each is asked as a first token would have it asked. Decides the words; what is wrong
 * is policy/oauth's to say.
 */
import type { App } from '../app.ts';
import { toOpsError } from '../core/errors.ts';
import type { Check } from './doctor.ts';
import { broken, ok } from './doctor_state.ts';

export async function authChecks(app: Pick<App, 'auth' | 'config'>): Promise<Check[]> {
  if (app.config.auth.issuers.length === 0) return [];
  const title = 'Issuers';
  try {
    const { resource, check } = await app.auth();
    const issuers = await check();
    return [
      ok('auth.resource', title, `tokens must name ${resource?.uri} in aud; ${issuers.length} may give them.`),
      ...issuers.map(({ name, issuer, trouble }) =>
        trouble === null
          ? ok(`auth.issuer.${name}`, `Issuer ${name}`, `${issuer} answers as it should.`)
          : broken(
              `auth.issuer.${name}`,
              `Issuer ${name}`,
              `${issuer}: ${trouble}`,
              `curl -sS ${issuer.replace(/\/$/, '')}/.well-known/openid-configuration, and see auth.issuers (docs/auth.md)`,
            ),
      ),
    ];
  } catch (thrown) {
    const { message, details } = toOpsError(thrown);
    return [broken('auth', title, message, details.hint ?? 'see auth.issuers (docs/auth.md)')];
  }
}
