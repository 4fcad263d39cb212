/** systemd's adapter, loaded when it is first asked: no start pays for it. Whether there is a systemd, and who we are, is known at once. */
import type { ServiceHost, ServiceRules } from '../../core/services.ts';
import type { Root } from '../system/files.ts';
import type { ServicesOptions } from './index.ts';
import { ownUnits } from './own.ts';
import { systemd } from './without.ts';

export function servicesLater(root: Root, o: ServicesOptions & { rules: ServiceRules }): ServiceHost {
  let loading: Promise<ServiceHost> | undefined;
  const open = () => {
    loading ??= import('./index.ts').then((m) => m.serviceHost(root, o));
    return loading;
  };
  return {
    rules: o.rules,
    self: () => ownUnits(),
    available: () => systemd(root, o.has),
    list: async (bounds) => (await open()).list(bounds),
    show: async (units, bounds) => (await open()).show(units, bounds),
    timers: async (bounds) => (await open()).timers(bounds),
    files: async (unit, bounds) => (await open()).files(unit, bounds),
    changed: async (unit, bounds) => (await open()).changed(unit, bounds),
    exposure: async (unit, bounds) => (await open()).exposure(unit, bounds),
    control: async (unit, verb, bounds) => (await open()).control(unit, verb, bounds),
  };
}
