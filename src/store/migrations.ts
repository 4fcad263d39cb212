/**
 * The schema, step by step; `user_version` counts the steps done. A step that was released is never edited: older and newer
 * processes share one file while an upgrade rolls, and an older one gets it back after a rollback, so a step only adds. One that cannot
 * says from which schema on code can use what it leaves (schema.ts). Columns are explained where they are used.
 */
import type { Step } from './schema.ts';

export const MIGRATIONS = [
  `
  CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;

  CREATE TABLE kept (
    handle TEXT PRIMARY KEY, principal TEXT NOT NULL, scopes TEXT NOT NULL, tool TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, bytes INTEGER NOT NULL, packed INTEGER NOT NULL,
    foreign_paths TEXT NOT NULL, lists TEXT NOT NULL, data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX kept_age ON kept (created, bytes);

  CREATE TABLE work (
    handle TEXT PRIMARY KEY, principal TEXT NOT NULL, scopes TEXT NOT NULL, tool TEXT NOT NULL,
    owner TEXT NOT NULL, state TEXT NOT NULL, created INTEGER NOT NULL, seen INTEGER NOT NULL, ended INTEGER,
    progress TEXT, cancel INTEGER NOT NULL DEFAULT 0, kept TEXT, error TEXT
  ) STRICT;
  CREATE INDEX work_state ON work (state, principal);

  CREATE TABLE locks (
    key TEXT PRIMARY KEY, token TEXT NOT NULL, owner TEXT NOT NULL, label TEXT NOT NULL, at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE quotas (
    key TEXT PRIMARY KEY, started INTEGER NOT NULL, ends INTEGER NOT NULL, used INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX quotas_ends ON quotas (ends);

  CREATE TABLE receipts (
    id TEXT PRIMARY KEY, principal TEXT NOT NULL, scopes TEXT NOT NULL, tool TEXT NOT NULL, created INTEGER NOT NULL,
    input TEXT NOT NULL, shown TEXT NOT NULL, targets TEXT NOT NULL, summary TEXT NOT NULL,
    before TEXT, after TEXT, revert TEXT, reverted INTEGER, bytes INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX receipts_age ON receipts (created, bytes);
  CREATE TABLE blobs (sha TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE receipt_blobs (
    receipt TEXT NOT NULL REFERENCES receipts (id) ON DELETE CASCADE, name TEXT NOT NULL,
    sha TEXT NOT NULL REFERENCES blobs (sha), PRIMARY KEY (receipt, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX receipt_blobs_sha ON receipt_blobs (sha);

  CREATE TABLE approvals (
    id TEXT PRIMARY KEY, principal TEXT NOT NULL, scopes TEXT NOT NULL, tool TEXT NOT NULL, input_hash TEXT NOT NULL,
    digest TEXT NOT NULL, shown TEXT NOT NULL, targets TEXT NOT NULL, summary TEXT NOT NULL, diff TEXT,
    state TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, approver TEXT, decided INTEGER, used INTEGER
  ) STRICT;
  CREATE INDEX approvals_binding ON approvals (principal, tool, input_hash, digest);
  CREATE INDEX approvals_state ON approvals (state, expires);
  `,
  // What the approver is told of who asks, and what was said with a no. Rows from before are ten minutes old at most.
  `
  ALTER TABLE approvals ADD COLUMN risk TEXT NOT NULL DEFAULT 'change';
  ALTER TABLE approvals ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE approvals ADD COLUMN because TEXT;
  `,
  // Receipts that are on the disk before the change, and who took one back. What an older version wrote was done by then.
  `
  ALTER TABLE receipts ADD COLUMN state TEXT NOT NULL DEFAULT 'done';
  ALTER TABLE receipts ADD COLUMN call TEXT NOT NULL DEFAULT '';
  ALTER TABLE receipts ADD COLUMN risk TEXT NOT NULL DEFAULT 'destroy';
  ALTER TABLE receipts ADD COLUMN undo TEXT;
  CREATE INDEX receipts_call ON receipts (call);
  `,
  // Folders of disks at earlier looks. Whoever does not know the table does without.
  `
  CREATE TABLE disk_looks (
    disk TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (disk, at)
  ) STRICT, WITHOUT ROWID;
  `,
  // Who was here, from where, and what the rules were at the last start. Whoever does not know the tables does without.
  `
  CREATE TABLE seen (
    principal TEXT NOT NULL, address TEXT NOT NULL, mark TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    last_address TEXT NOT NULL, uses INTEGER NOT NULL, days INTEGER NOT NULL, PRIMARY KEY (principal, address)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX seen_last ON seen (address, last);
  CREATE TABLE policy_seen (
    role TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (role, name)
  ) STRICT, WITHOUT ROWID;
  `,
  // Links to decide by. They go with their question.
  `
  CREATE TABLE approval_links (
    hash TEXT PRIMARY KEY, approval TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
    channel TEXT NOT NULL, expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX approval_links_approval ON approval_links (approval);
  `,
  // What a kept result and running work were about: their principal must still be let at it. Rows from before are half an hour old at most.
  `
  ALTER TABLE kept ADD COLUMN targets TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE work ADD COLUMN targets TEXT NOT NULL DEFAULT '[]';
  `,
] as const satisfies readonly Step[];
