/**
 * What is inside a release, as a CycloneDX list that scanners read. Made from what esbuild put into the bundle, not from `npm sbom`:
 * that lists what is installed, so it names dozens of packages that are in no file of ours (gRPC, SSH), and leaves out those that a
 * development dependency wants, too (zod, hono). Decides no date and no random number of its own: the same commit gives the same list.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { packageOf, root, version } from '../bundle.ts';
import { lock, type NodeFiles } from './node.ts';
import { sha256 } from './tar.ts';

interface Said {
  name: string;
  version: string;
  license: string;
}

interface Component {
  type: string;
  'bom-ref': string;
  name: string;
  version: string;
  [more: string]: unknown;
}

export interface Inside {
  metafile: Metafile;
  node: NodeFiles;
  epochS: number;
  /** What this Node itself is made of, by its own word; null where it cannot be asked (another architecture, another version). */
  parts: NodeJS.ProcessVersions | null;
}

export function sbom({ metafile, node, epochS, parts }: Inside): string {
  const locked = lock().packages;
  const written = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const folders = [
    ...new Set(written.flatMap(([input, { bytesInOutput }]) => (bytesInOutput > 0 && packageOf(input)) || [])),
  ];
  const about = new Map(
    folders.map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Said;
      return [folder, { name, version, license, ref: `${name}@${version}`, lock: locked[folder] }] as const;
    }),
  );
  const components = new Map<string, Component>();
  for (const { name, version, license, ref, lock } of about.values())
    components.set(ref, {
      type: 'library',
      'bom-ref': ref,
      name,
      version,
      scope: 'required',
      ...hashes(lock?.integrity),
      licenses: [{ license: { id: license } }],
      purl: purl(name, version),
    });
  const ours = `deckhand@${version}`;
  const program = `node@${node.version}`;
  const list = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(epochS * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': ours,
        name: 'deckhand',
        version,
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components: [
      ...[...components.values()].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)),
      {
        type: 'platform',
        'bom-ref': program,
        name: 'node',
        version: node.version,
        scope: 'required',
        // Of bin/node itself, as it lies in the release.
        hashes: [{ alg: 'SHA-256', content: sha256(node.program) }],
        licenses: [{ license: { id: 'MIT' } }],
        cpe: `cpe:2.3:a:nodejs:node.js:${node.version}:*:*:*:*:*:*:*`,
        purl: purl(node.package, node.version),
        ...(parts ? { components: nodeParts(parts, program) } : {}),
      },
    ],
    dependencies: [
      { ref: ours, dependsOn: [program, ...direct(components)].sort() },
      ...[...about.values()]
        .map(({ ref, lock }) => ({
          ref,
          dependsOn: [...about.values()]
            .filter((other) => other.ref !== ref && Object.hasOwn(lock?.dependencies ?? {}, other.name))
            .map((other) => other.ref)
            .sort(),
        }))
        .sort((a, b) => (a.ref < b.ref ? -1 : 1)),
    ],
  };
  const uuid = sha256(JSON.stringify(list)).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-8$4-$5');
  const { bomFormat, specVersion, ...rest } = list;
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber: `urn:uuid:${uuid}`, ...rest }, null, 2)}\n`;
}

const purl = (name: string, version: string) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

function hashes(integrity: string | undefined): object {
  const [, base64] = /^sha512-(\S+)$/.exec(integrity ?? '') ?? [];
  return base64 ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }] } : {};
}

function direct(components: ReadonlyMap<string, Component>): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return Object.entries(dependencies)
    .map(([name, version]) => `${name}@${version}`)
    .filter((ref) => components.has(ref));
}

/** OpenSSL, V8, SQLite … : a hole is more often in one of these. */
function nodeParts(parts: NodeJS.ProcessVersions, of: string): Component[] {
  return Object.entries(parts)
    .filter(([name, version]) => version && !/^(?:node|modules|napi|unicode|cldr|tz)$/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, version]) => ({ type: 'library', 'bom-ref': `${of}/${name}`, name, version: version as string }));
}
