import { META } from '../../mark.ts';
import type { Desired, PlanSources } from '../desired/desired-registrations.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { validate, type Registration } from '../registration/registration.ts';
import { askedByService, namesWanted } from '../requests/requests.ts';
import { isThere } from './admission.ts';

/** Lower-case names of the Consul services for which held Services over the pod ask. */
export function heldNames({ services }: PlanSources, { held }: Desired, annotationPrefix: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { service } of services) {
    const asked = held.has(service.name) ? askedByService(service, annotationPrefix) : undefined;
    for (const { name } of asked ? namesWanted(asked.settings) : []) names.add(name.toLowerCase());
  }
  return names;
}

/**
 * A registration with the tags, the meta and the weight that the instance has by now, if a held Service asks for that name too: what that
 * Service has said stays, as the instance would if nobody else asked for it.
 * @param held lower-case names
 */
export function keepSaid(
  registration: Registration,
  instance: OwnInstance | undefined,
  held: ReadonlySet<string>,
): Registration {
  if (!instance || !held.has(registration.service.toLowerCase())) return registration;
  const isOfPod = instance.podUid === registration.meta.get(META.podUid);
  if (!isOfPod || !isThere(registration, instance.registration)) return registration;
  const { tags, meta, weight, check } = instance.registration;
  const isCovered = registration.tags.every((tag) => tags.includes(tag));
  const said = [...meta].filter(([key]) => !OWN_META.has(key));
  const kept = {
    ...registration,
    tags: isCovered ? tags : [...new Set([...registration.tags, ...tags])],
    // Every registration says these two, whether anybody asked for that or not.
    meta: new Map([...said, ...registration.meta, ...said.filter(([key]) => key === 'secure' || key === 'zone')]),
    weight: registration.weight === 1 ? weight : registration.weight,
    // They name who asks.
    check: { ...registration.check, notes: check.notes },
  };
  // Consul would refuse it.
  return validate(kept, NO_USER_META).length > 0 ? registration : kept;
}

const NO_USER_META: ReadonlyMap<string, string> = new Map();
const OWN_META = new Set<string>(Object.values(META));
