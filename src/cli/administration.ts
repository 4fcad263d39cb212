/** The commands that set up a host, a client or a tailnet, and end. Loaded together: each alone would cut the bundle into more files for all of them. */
import * as backup from './backup.ts';
import * as client from './client.ts';
import type { Run } from './commands.ts';
import type { BackupCommand } from './commands_backup.ts';
import type { ClientCommand } from './commands_client.ts';
import type { ServiceCommand } from './commands_service.ts';
import type { TailnetCommand } from './commands_tailnet.ts';
import * as service from './service.ts';
import * as tailnet from './tailnet.ts';

export type AdministrationCommand = ServiceCommand | TailnetCommand | ClientCommand | BackupCommand;

export const ADMINISTRATION: Record<AdministrationCommand, (r: Run) => Promise<number>> = {
  'service install': service.install,
  'service status': service.status,
  'service upgrade': service.upgrade,
  'service rollback': service.rollback,
  'service uninstall': service.uninstall,
  'tailnet setup': tailnet.setup,
  'tailnet status': tailnet.status,
  'client list': client.list,
  'client add': client.add,
  'client print': client.print,
  'client remove': client.remove,
  'client undo': client.undo,
  'backup create': backup.create,
  'backup list': backup.list,
  'backup verify': backup.verify,
  'backup restore': backup.restore,
};
