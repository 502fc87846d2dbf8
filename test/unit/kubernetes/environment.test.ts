import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { evaluateEnvironment } from '../../../src/kubernetes/environment.ts';
import type { EnvVar } from '../../../src/kubernetes/objects.ts';
import { pod } from '../builders.ts';

const literal = (name: string, value: string): EnvVar => ({ name, value, fieldPath: undefined });
const fromField = (name: string, fieldPath: string): EnvVar => ({ name, value: '', fieldPath });
const fromElsewhere = (name: string): EnvVar => ({ name, value: '', fieldPath: '' });

/** The value of the last variable. */
const last = (...env: EnvVar[]) => evaluateEnvironment(env, pod()).at(-1)?.value;

describe('references', () => {
  it.each([
    ['$(A)', 'a'],
    ['x-$(A)-$(B)-y', 'x-a-b-y'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$$$$(A)', '$$(A)'],
    ['$$', '$'],
    ['$', '$'],
    ['$A', '$A'],
    ['${A}', '${A}'],
    ['$(LATER)', '$(LATER)'],
    ['$(UNKNOWN)-$(A)', '$(UNKNOWN)-a'],
    ['$()', '$()'],
    ['$(A', '$(A'],
    ['$(A $(B)', '$(A $(B)'],
    ['$(A) $(B $$', 'a $(B $'],
    ['$(constructor)', '$(constructor)'],
  ])('%j is %j', (value, expected) => {
    const env = [literal('A', 'a'), literal('B', 'b'), literal('TESTED', value), literal('LATER', 'later')];
    expect(evaluateEnvironment(env, pod())[2]?.value).toBe(expected);
  });

  it('are not expanded a second time', () => {
    expect(last(literal('A', '$$(B)'), literal('B', 'b'), literal('C', '$(A)'))).toBe('$(B)');
  });

  it('see the value that a variable had further up', () => {
    const env = [literal('A', '1'), literal('B', '$(A)'), literal('A', '$(A)2'), literal('C', '$(A)$(B)')];
    expect(evaluateEnvironment(env, pod()).map(({ value }) => value)).toEqual(['1', '1', '12', '121']);
  });

  it('to what cannot be read make the value unreadable', () => {
    expect(last(fromElsewhere('A'), literal('B', 'x-$(A)'))).toBeUndefined();
    expect(last(fromElsewhere('A'), literal('B', 'x-$(A)'), literal('C', '$(B)'))).toBeUndefined();
    expect(last(fromElsewhere('A'), literal('B', 'x-$$(A)'))).toBe('x-$(A)');
  });

  it('cannot make a value that fills the memory', () => {
    const env = [literal('V0', 'x'.repeat(1024))];
    for (let i = 1; i <= 64; i++) env.push(literal(`V${i}`, `$(V${i - 1})$(V${i - 1})`));
    const values = evaluateEnvironment(env, pod());
    expect(values[3]?.value).toHaveLength(8 * 1024);
    expect(values[64]?.value).toBeUndefined();
    expect(values.reduce((sum, { value = '' }) => sum + value.length, 0)).toBeLessThan(256 * 1024);
  });

  it('without an end are read in time', () => {
    const value = '$('.repeat(500_000);
    expect(last(literal('A', value))).toBe(value);
  });
});

describe('fields of the pod', () => {
  it.each([
    ['metadata.name', 'orders-7d4b9c6f5-abcde'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'uid-of-pod'],
    ['spec.nodeName', 'worker-1'],
    ['status.hostIP', '192.168.1.11'],
    ['status.podIP', '10.1.0.7'],
    ['status.podIPs', '10.1.0.7,fd00::7'],
    ["metadata.labels['app']", undefined],
    ['spec.serviceAccountName', undefined],
    ['constructor', undefined],
    ['', undefined],
  ])('%s: %p', (fieldPath, expected) => {
    const [variable] = evaluateEnvironment([fromField('A', fieldPath)], pod({ podIPs: ['10.1.0.7', 'fd00::7'] }));
    expect(variable).toEqual({ name: 'A', value: expected });
  });

  it('can be referred to', () => {
    expect(last(fromField('NAMESPACE', 'metadata.namespace'), literal('A', 'orders-$(NAMESPACE)'))).toBe('orders-shop');
  });
});

it('gives every variable in its place, and never throws', () => {
  const text = fc.stringMatching(/^[$()AB-]{0,12}$/);
  const variable = fc.record({
    name: fc.constantFrom('A', 'B', 'AB', ''),
    value: text,
    fieldPath: fc.constantFrom(undefined, '', 'metadata.name', '$'),
  });
  fc.assert(
    fc.property(fc.array(variable), (env) => {
      expect(evaluateEnvironment(env, pod()).map(({ name }) => name)).toEqual(env.map(({ name }) => name));
    }),
  );
});
