import { describe, expect, it } from '@jest/globals';
import { wishedMode } from '../../../../src/to-kubernetes/istio/wished-mode.ts';
import { instance, strings } from '../../builders.ts';
import type { Mode } from '../../../../src/to-kubernetes/objects/service.ts';

const saying = (mode: string) => instance({ meta: strings({ 'consular-mode': mode }) });
const tagged = (mode: string) => instance({ tags: ['primary', `consular-mode=${mode}`] });

describe('the mode of a service', () => {
  it.each<[string, ReturnType<typeof instance>[], Mode, Mode]>([
    ['the setting, when nobody says anything', [instance()], 'service', 'service'],
    ['the setting, without instances', [], 'istio', 'istio'],
    ['what one says, when the others say nothing', [instance(), instance(), saying('istio')], 'service', 'istio'],
    ['what a tag says', [tagged('istio')], 'service', 'istio'],
    ['the other way round too', [saying('service')], 'istio', 'service'],
    ['what most say', [saying('istio'), saying('istio'), tagged('service')], 'service', 'istio'],
    ['the setting, half against half', [saying('istio'), saying('service')], 'istio', 'istio'],
    ['the setting, half against half, whichever it is', [saying('istio'), saying('service')], 'service', 'service'],
    ['the setting, when what they say is no mode', [saying('Istio'), saying('')], 'service', 'service'],
  ])('is %s', (_, foreign, setting, mode) => {
    expect(wishedMode(foreign, setting)).toBe(mode);
  });

  it('is what the meta of an instance says, before its tags', () => {
    expect(wishedMode([{ ...saying('service'), tags: ['consular-mode=istio'] }], 'istio')).toBe('service');
  });
});
