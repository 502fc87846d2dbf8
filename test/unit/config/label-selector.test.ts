import { describe, expect, it } from '@jest/globals';
import { isLabelSelector } from '../../../src/config/label-selector.ts';

describe('a label selector', () => {
  it.each([
    '',
    'team=shop',
    'team==shop',
    'team!=shop',
    'team',
    '!team',
    '! team',
    'team=',
    'team = shop , tier!=db',
    'example.com/team in (shop, web),tier notin (db,),!legacy',
    'app.kubernetes.io/name=orders',
    'team in (shop)',
    'replicas>1',
    'replicas < 10',
    'UPPER_case.1=Value-1',
  ])('can be %j', (text) => {
    expect(isLabelSelector(text)).toBe(true);
  });

  it.each([
    ' ',
    ',',
    'team=shop,',
    'team=sh*p',
    'team=a b',
    'team in shop',
    'team in ()x',
    'team in (shop',
    'team notin shop)',
    'team in (a) tier=b',
    '-team=shop',
    'Example.com/team=shop',
    'a/b/c=d',
    '/team=shop',
    'team=>shop',
    'replicas>many',
    `team=${'x'.repeat(64)}`,
    'team=shop\ntier=db',
    `${'a=b,'.repeat(1000)}a=b`,
  ])('cannot be %j', (text) => {
    expect(isLabelSelector(text)).toBe(false);
  });

  it('is judged in no time, however it is written', () => {
    for (const text of ['('.repeat(2000), 'a'.repeat(2000), `a in (${'a,'.repeat(900)}`, 'a.'.repeat(1000)])
      expect(isLabelSelector(text)).toBe(false);
  });
});
