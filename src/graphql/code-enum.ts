import { registerEnumType } from 'type-graphql';

/** An enum of codes that are stored in rows. */
export interface CodeEnum<Code extends string> {
  /** The type for `@Field`. */
  readonly type: Readonly<Record<Code | 'UNKNOWN', string>>;
  /** A stored code, or UNKNOWN for a code that another version of the program has stored. */
  read(code: string): Code | 'UNKNOWN';
}

/** Registers a GraphQL enum of the codes of a table, with their descriptions, and of UNKNOWN. */
export function createCodeEnum<Code extends string>(
  name: string,
  description: string,
  descriptions: Readonly<Record<Code, string>>,
): CodeEnum<Code> {
  const all: Readonly<Record<string, string>> = {
    ...descriptions,
    UNKNOWN: 'This version of the server does not have the code; `message` describes the problem.',
  };
  const type = Object.fromEntries(Object.keys(all).map((code) => [code, code]));
  registerEnumType(type, {
    name,
    description: `${description} More values will be added.`,
    valuesConfig: Object.fromEntries(
      Object.entries(all).map(([code, text]) => [code, { description: text }]),
    ),
  });
  return {
    type: type as CodeEnum<Code>['type'],
    read: (code) => (Object.hasOwn(all, code) ? (code as Code) : 'UNKNOWN'),
  };
}
