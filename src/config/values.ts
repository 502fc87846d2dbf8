import * as z from 'zod';

/** Kinds of values that several settings have. */

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** setTimeout overflows above this and fires at once. */
const LONGEST_MS = 2 ** 31 - 1;
const DURATION = /^(\d{1,10})(ms|s|m|h)$/;
/** How a duration is written, in words. */
export const DURATION_FORM = 'a duration like 500ms, 60s, 5m or 1h';

function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  const ms = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  return ms <= LONGEST_MS ? ms : undefined;
}

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
/** The name of a namespace. */
export const NAMESPACE = new RegExp(`^${LABEL}$`);

export const name = z.string().max(253);
export const port = z.int().min(1).max(65_535);

/** How a choice of names is written, in words. */
export const PATTERNS_FORM = 'patterns like {include: [a], exclude: []}';

export const patterns = (pattern: z.ZodType<string, string>, include: string[], exclude: string[]) =>
  z
    .strictObject(
      {
        include: z.array(pattern).default(include),
        exclude: z.array(pattern).default(exclude),
      },
      PATTERNS_FORM,
    )
    .prefault({});

/** YAML 1.1, which Helm and others speak, makes booleans of on and off before they come here. */
export const onOff = z
  .literal(['on', 'off', true, false])
  .default('on')
  .transform((said) => (said === true || said === 'on' ? ('on' as const) : ('off' as const)));

/** The same; but what `false` means here is not clear enough. */
export const onNever = z
  .literal(['on', 'never', true])
  .default('on')
  .transform((said) => (said === 'never' ? said : ('on' as const)));
/** Text of one form. @param form what is expected, in words, whatever else is found */
export const text = (form: string, isRight: (text: string) => boolean) => z.string(form).refine(isRight, form);

export const duration = (fallback: string) =>
  z
    .string(DURATION_FORM)
    .regex(DURATION, { error: DURATION_FORM, abort: true })
    .refine((text) => parseDuration(text) !== undefined, DURATION_FORM)
    .default(fallback)
    .transform((text) => parseDuration(text) ?? 0);
