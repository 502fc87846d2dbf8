import type { ServiceInstance } from '../../consul/types.ts';
import type { Mode } from '../objects/service.ts';

/** Meta key, or tag like `consular-mode=istio`, by which the instances of one service ask for a mode of their own. */
const MODE_KEY = 'consular-mode';

/** What most of the instances that say something say, else the setting; half against half is the setting's too. */
export function wishedMode(foreign: readonly ServiceInstance[], setting: Mode): Mode {
  const spoken = foreign.map(({ meta, tags }) => {
    return meta.get(MODE_KEY) ?? tags.find((tag) => tag.startsWith(`${MODE_KEY}=`))?.slice(MODE_KEY.length + 1);
  });
  const count = (mode: Mode) => spoken.filter((said) => said === mode).length;
  const lead = count('istio') - count('service');
  return lead > 0 ? 'istio' : lead < 0 ? 'service' : setting;
}
