/** What settings and Docker's own environment say of container engines, as the host takes it. Apart from the rules (docker.ts), which need zod. */
import { type Env, environment } from './env.ts';
import type { Config } from './schema.ts';

/** As the host takes it (HostOptions.docker). */
export function dockerSettings({ docker }: Pick<Config, 'docker'>, env: Env = environment()) {
  return {
    engines: docker.engines.map((e) => ({ name: e.name, endpoint: e.endpoint, certPath: e.certPath ?? null })),
    endpoint: docker.endpoint,
    certPath: docker.certPath,
    // As Docker's own client reads them: empty is not set, and any other text of DOCKER_TLS_VERIFY is a yes.
    env: {
      host: env.DOCKER_HOST || null,
      certPath: env.DOCKER_CERT_PATH || null,
      tlsVerify: Boolean(env.DOCKER_TLS_VERIFY),
    },
  };
}
