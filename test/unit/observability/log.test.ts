import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { createLog, explainError, type LogOptions } from '../../../src/observability/log.ts';
import { settled } from '../clock.ts';

/** The lines of a log, once everything was written. */
function stage(options: Partial<LogOptions> = {}) {
  let text = '';
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      text += piece.toString('utf8');
      done();
    },
  });
  const log = createLog({ level: 'info', format: 'json', stream, ...options });
  const lines = async () => {
    await settled();
    return text.trim().split('\n');
  };
  return { lines, log };
}

describe('a log', () => {
  it('has one JSON object a line, with the fields', async () => {
    const { lines, log } = stage();
    log.info('running', { cluster: 'prod', keys: 3 });
    log.error('reconciling keeps failing');
    expect((await lines()).map((line) => JSON.parse(line) as unknown)).toEqual([
      { level: 'info', message: 'running', cluster: 'prod', keys: 3, timestamp: expect.any(String) },
      { level: 'error', message: 'reconciling keeps failing', timestamp: expect.any(String) },
    ]);
  });

  it('leaves out what is less severe than its level', async () => {
    const { lines, log } = stage({ level: 'warn' });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level);
    expect((await lines()).map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['warn', 'error']);
  });

  it('writes an error with its causes, and shortens what is very long', async () => {
    const { lines, log } = stage();
    log.warn('failed', { error: new Error('patch', { cause: new Error('reset') }), text: 'x'.repeat(2000) });
    const [line = ''] = await lines();
    expect(JSON.parse(line)).toMatchObject({ error: 'patch: reset', text: `${'x'.repeat(1024)}...` });
  });

  it.each(['json', 'text'] as const)('as %s shows what others wrote, and obeys nothing of it', async (format) => {
    const { lines, log } = stage({ format });
    const foreign = 'a\r\nlevel=error \u001b[2J\u009b \u202e\u2066\u2028\u2029 \u{e0041}';
    log.warn('failed', { foreign, error: new Error(foreign, { cause: new Error(foreign) }), names: [foreign] });
    const [line = '', ...more] = await lines();
    expect(more).toEqual([]);
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    if (format === 'json') expect((JSON.parse(line) as { foreign: string }).foreign).toContain('\\u202e\\u2066');
  });

  it.each([
    ['json', 'x'],
    ['json', '\u0000'],
    ['text', '\u{e0041}'],
    ['text', '語'],
  ] as const)('as %s has records of at most 4 KB, whatever is in them: %j', async (format, character) => {
    const { lines, log } = stage({ format });
    const fields = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`field-${i}`, character.repeat(100_000)]));
    log.error('failed', fields);
    const [line = ''] = await lines();
    expect(Buffer.byteLength(line)).toBeLessThan(4096);
    expect(line).toContain('field-11');
    if (format === 'json') expect(Object.keys(JSON.parse(line) as object)).toHaveLength(15);
  });

  it('for people has the fields behind the message, and lets no text break out of its line', async () => {
    const { lines, log } = stage({ format: 'text' });
    log.warn('two\nlines', { name: 'a\u001b[31m' });
    const [line = '', ...more] = await lines();
    expect(line).toMatch(/^\S+Z WARN {2}two\\nlines name="a\\u001b\[31m"$/);
    expect(more).toEqual([]);
  });
});

describe('an error explained', () => {
  it.each<[string, unknown, string]>([
    ['has its causes', new Error('a', { cause: new Error('b', { cause: 'c' }) }), 'a: b: "c"'],
    ['without a message has its name', new TypeError(''), 'TypeError'],
    ['may be no error', 7, '7'],
  ])('%s', (_, error, text) => {
    expect(explainError(error)).toBe(text);
  });

  it('ends, even if its causes go round in a circle', () => {
    const error = new Error('a');
    error.cause = error;
    expect(explainError(error)).toBe(Array(8).fill('a').join(': '));
  });
});
