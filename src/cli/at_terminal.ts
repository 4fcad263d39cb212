/** The commands that answer a person and end. Loaded together: each alone would cut the bundle into more files for all of them. */

import { list as approvals, approve, deny } from './approvals.ts';
import { exportAll, search, tail, verify } from './audit.ts';
import { run as call } from './call.ts';
import { run as config } from './config.ts';
import { explain, show as policyShow } from './policy.ts';
import { add, list, revoke } from './token.ts';
import { run as tools } from './tools.ts';
import { list as undoList, run as undoRun, show as undoShow } from './undo.ts';

export const AT_TERMINAL = {
  tools,
  call,
  approvals,
  approve,
  deny,
  'undo list': undoList,
  'undo show': undoShow,
  'undo run': undoRun,
  'token add': add,
  'token list': list,
  'token revoke': revoke,
  config,
  'policy explain': explain,
  'policy show': policyShow,
  'audit tail': tail,
  'audit search': search,
  'audit verify': verify,
  'audit export': exportAll,
};
