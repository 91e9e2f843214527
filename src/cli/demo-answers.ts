import { z } from 'zod';

/** An operation with the shape of what it answers. */
export interface DemoOperation<Data> {
  query: string;
  data: z.ZodType<Data>;
}

/** An answer that would be the same another time. */
export class Refusal extends Error {
  /** @param field - the path of the input that was wrong, where it was one: `input.files[2].byteSize` */
  constructor(
    message: string,
    readonly field?: string,
  ) {
    super(message);
    this.name = 'Refusal';
  }
}

/** No answer, or one that says "later": the same may be asked again. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

const answerSchema = z.object({
  data: z.unknown(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        extensions: z.object({ code: z.string(), field: z.string().optional() }),
      }),
    )
    .optional(),
});

/** Codes after which the same may be asked again; a server that is being stopped or started answers so. */
const passing: ReadonlySet<string> = new Set([
  'SERVICE_UNAVAILABLE',
  'TIMEOUT',
  'RATE_LIMITED',
  'SUBSCRIBER_TOO_SLOW',
  'INTERNAL_SERVER_ERROR',
]);

/**
 * The data of a GraphQL answer.
 * @throws Refusal or Unavailable, by the code of the first error; Refusal if it is no answer of a Likeness server
 */
export function readAnswer<Data>({ data: schema }: DemoOperation<Data>, answer: unknown): Data {
  const { data, errors } = parsed(answerSchema, answer);
  const [error] = errors ?? [];
  if (!error) return parsed(schema, data);
  const { code, field } = error.extensions;
  if (passing.has(code)) throw new Unavailable(`${code}: ${error.message}`);
  throw new Refusal(error.message, field);
}

/** What comes, checked. */
export function parsed<Data>(schema: z.ZodType<Data>, value: unknown): Data {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Refusal(`This is no answer of a Likeness server: ${z.prettifyError(result.error)}`);
}
