import { META } from '../../../src/mark.ts';
import type { OwnInstance } from '../../../src/to-consul/observed/own-instance.ts';
import type { Registration } from '../../../src/to-consul/registration/registration.ts';
import { registration } from '../builders.ts';

export const WORKER_1 = 'k8s-prod--worker-1';

/** The registration of a pod of that name, with its mark. */
export function registrationOf(name: string, overrides: Partial<Registration> = {}): Registration {
  const meta = new Map<string, string>([
    [META.namespace, 'shop'],
    [META.pod, name],
    [META.podUid, `uid-of-${name}`],
  ]);
  return registration({ id: `prod.shop.${name}:orders:8080`, meta, ...overrides });
}

/** An instance of ours as the catalog has it. */
export function observed(overrides: Partial<Registration> = {}, indexes: Partial<OwnInstance> = {}): OwnInstance {
  return {
    registration: registration(overrides),
    podKey: 'shop/orders-7d4b9c6f5-abcde',
    podUid: 'uid-of-pod',
    serviceIndex: 21,
    checkIndex: 22,
    ...indexes,
  };
}
