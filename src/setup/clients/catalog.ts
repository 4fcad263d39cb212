/**
 * The clients, one row each: file, way, shape of the entry. Everything else (editing, help, docs/connect.md) is made from these rows. Each
 * was written from the page named in it; fields that a client would fill in by itself are left out.
 */
import { AT_TERMINALS } from './catalog_terminal.ts';
import { IN_WINDOWS } from './catalog_windows.ts';
import { ALL, common } from './shapes.ts';
import type { ClientSpec } from './spec.ts';

export const CLIENTS: readonly ClientSpec[] = [
  ...AT_TERMINALS,
  ...IN_WINDOWS,
  {
    id: 'generic',
    title: 'any other',
    format: 'jsonc',
    container: ['mcpServers'],
    // Only to be printed, or with --config.
    user: null,
    project: null,
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url', http: { type: 'http' } }),
    next: 'Start the client again.',
    source: 'what most clients read',
  },
];
