/**
 * The rules of wollomatic's socket-proxy for Deckhand, made from the table of requests that may leave for an engine: what the code asks
 * and what the recipe lets through cannot differ. Decides which requests belong to which profile; why, and what each costs, is told in
 * deploy/docker/socket-proxy.md.
 */
import { CONTAINER_REF, IMAGE_SOURCE, OBJECT_REF } from '../src/core/docker_refs.ts';
import { ALLOWED } from '../src/host/docker/allowed.ts';

const IMAGE = 'wollomatic/socket-proxy:1.13.1';

/** A later one has all of those before it. */
export const PROFILES = ['look', 'control', 'change'] as const;
export type Profile = (typeof PROFILES)[number];

const CONTROL = /^POST \/containers\/\{container\}\/(?:start|stop|restart|pause|unpause|kill)$/;

export function profileOf(line: string): Profile {
  if (line.startsWith('GET ')) return 'look';
  return CONTROL.test(line) ? 'control' : 'change';
}

const SOURCES: Record<string, string> = {
  container: CONTAINER_REF.source.slice(1, -1),
  object: OBJECT_REF.source.slice(1, -1),
  image: IMAGE_SOURCE,
};

/**
 * The proxy puts ^ before and $ after a rule and no brackets around it: with an alternative at the outermost level only its ends would
 * be held. So each line of the table is a rule of its own.
 */
export function ruleOf(line: string): { method: string; path: string } {
  const [method = '', path = ''] = line.split(' ');
  const [before = '', kind, after = ''] = path.split(/[{}]/);
  const plain = (text: string) => text.replaceAll('.', '\\.');
  return { method, path: `(?:/v1\\.[0-9]{2})?${plain(before)}${kind ? SOURCES[kind] : ''}${plain(after)}` };
}

export function rulesOf(profile: Profile): string[] {
  const within = PROFILES.slice(0, PROFILES.indexOf(profile) + 1);
  return Object.keys(ALLOWED)
    .filter((line) => within.includes(profileOf(line)))
    .map((line) => {
      const { method, path } = ruleOf(line);
      // Compose takes a dollar for a variable, YAML an apostrophe for the end.
      if (/[$']/.test(path)) throw new Error(`${line} cannot be written into a compose file as it is`);
      return `-allow${method}=${path}`;
    });
}

const COMMON = ['-loglevel=warn', '-watchdoginterval=60', '-stoponwatchdog'];

function service(profile: Profile, more: readonly string[]): string {
  const command = [...COMMON, ...more, ...rulesOf(profile)].map((flag) => `      - '${flag}'`);
  return [`  engine-${profile}:`, '    <<: *proxy', `    profiles: [${profile}]`, '    command:', ...command].join(
    '\n',
  );
}

const HARDENED = `  restart: unless-stopped
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  mem_limit: 64m
  pids_limit: 64`;

const HEAD =
  '# Made by `npm run gen` from src/host/docker/allowed.ts: do not edit. What each line is for: socket-proxy.md.';

/** Beside compose.yaml: Deckhand in a container asks the proxy over a network that only the two of them are in. */
export const overNetwork = (): string => `${HEAD}
# docker compose -f compose.yaml -f socket-proxy.yaml --profile look up -d --build
x-proxy: &proxy
  image: ${IMAGE}
  user: "65534:\${DOCKER_GID:?the number that stat -c %g /var/run/docker.sock prints}"
  volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
  networks:
    engine:
      aliases: [engine]
${HARDENED}
services:
  deckhand:
    environment:
      DECKHAND_DOCKER_ENDPOINT: tcp://engine:2375
    networks: [default, engine]
${PROFILES.map((p) => service(p, ['-listenip=0.0.0.0', '-allowfrom=deckhand'])).join('\n')}
networks:
  engine:
    internal: true
`;

/** For Deckhand on the host itself: a socket in a folder that only its user may enter. */
export const overSocket = (): string => `${HEAD}
# docker compose -f socket-proxy-host.yaml --profile look up -d
name: deckhand-engine
x-proxy: &proxy
  image: ${IMAGE}
  user: "\${DECKHAND_UID:?the number that id -u deckhand prints}:\${DOCKER_GID:?the number that stat -c %g /var/run/docker.sock prints}"
  volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro", "/var/lib/deckhand-engine:/engine"]
  network_mode: none
${HARDENED}
services:
${PROFILES.map((p) => service(p, ['-proxysocketendpoint=/engine/engine.sock'])).join('\n')}
`;
