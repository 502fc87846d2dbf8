import { describe, expect, it } from '@jest/globals';
import { toHashedServiceName } from '../../../src/to-kubernetes/names/service-name.ts';
import { subscribe } from '../../../src/to-kubernetes/subscriptions.ts';
import { instance, service } from '../builders.ts';
import { stage } from './imports/stage.ts';

describe("somebody else's Service", () => {
  it.each([
    ['the name that a Consul service would like', 'billing', ['billing']],
    ['the name that it takes when another has that one', toHashedServiceName('billing'), ['billing']],
    ['any other name', 'billing-0123abcd', []],
  ])('with %s wakes whoever waits for it, when it comes and when it goes', (_, name, expected) => {
    const { views, mirrors } = stage([], [instance()]);
    const woken: string[] = [];
    subscribe(views, mirrors, (names) => woken.push(...names));
    const foreign = service({ name });
    for (const change of [() => views.services.put(foreign), () => views.services.drop(foreign)]) {
      woken.length = 0;
      change();
      expect(woken).toEqual(expected);
    }
  });
});
