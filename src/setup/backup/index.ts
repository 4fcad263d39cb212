/** Backups of Deckhand's own state, as the command line and the doctor see them. */
export { becomeOwner } from '../../store/state.ts';
export { configFiles, createBackup } from './create.ts';
export { asides, backupsIn, findBackup, folderOf } from './place.ts';
export { planRestore, restore } from './restore.ts';
export { verifyBackup } from './verify.ts';
