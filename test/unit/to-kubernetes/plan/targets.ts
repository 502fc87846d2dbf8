import { ANNOTATION } from '../../../../src/mark.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import type { Target, Wish } from '../../../../src/to-kubernetes/plan/target.ts';
import { marked, service, strings } from '../../builders.ts';
import { mirrored } from '../mirrored.ts';

/** A Service of ours for Consul service billing in namespace shop. */
export function ourBilling(overrides: Partial<Service> = {}): Service {
  return service({
    ...{ name: 'billing', labels: marked(), selector: strings() },
    annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
    ...overrides,
  });
}

export function wish(overrides: Partial<Wish> = {}): Wish {
  return {
    ...{ name: 'billing', namespace: 'shop', mirrored: true, expired: false },
    assigned: { serviceName: 'billing', rivals: [] },
    ...overrides,
  };
}

/** Consul service billing, to be mirrored where its name is free. */
export function target(overrides: Partial<Target> = {}): Target {
  return {
    ...{ wish: wish(), serviceName: 'billing', mirrored: mirrored() },
    holder: { kind: 'free', service: undefined },
    own: { services: [], slices: [], endpoints: [], workloadEntries: [] },
    ...overrides,
  };
}

/** The same where nothing is to be mirrored (any more). */
export function nothingWanted(overrides: Partial<Target> = {}): Target {
  return target({ wish: wish({ assigned: undefined }), serviceName: '', mirrored: undefined, ...overrides });
}
