import { registerEnumType } from 'type-graphql';
import { errorCodes, type ErrorCode as DomainErrorCode } from '../core/errors';

/**
 * The codes of errors of GraphQL itself, named as by Apollo, with their descriptions. Invalid variables and literals are
 * not included: they are `INVALID_INPUT` with `field` and `problems`.
 */
export const graphqlCodes = {
  GRAPHQL_PARSE_FAILED: 'The query has a syntax error.',
  GRAPHQL_VALIDATION_FAILED: 'The query does not match the schema.',
  OPERATION_RESOLUTION_FAILURE: 'The query has no operation with the given `operationName`.',
  BAD_REQUEST: 'The HTTP request has a form that the server does not accept.',
} as const;

/** Whether an error of GraphQL itself has this code. */
export function isGraphQLCode(code: unknown): code is keyof typeof graphqlCodes {
  return typeof code === 'string' && Object.hasOwn(graphqlCodes, code);
}

const descriptions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(errorCodes).map(([code, { description }]) => [code, description])),
  ...graphqlCodes,
};

/** Every value of `extensions.code` as a GraphQL enum. */
export const ErrorCode = Object.fromEntries(Object.keys(descriptions).map((code) => [code, code])) as {
  [Code in DomainErrorCode | keyof typeof graphqlCodes]: Code;
};

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description:
    'Every value that `extensions.code` can have. More values will be added: treat an unknown code like INTERNAL_SERVER_ERROR.',
  valuesConfig: Object.fromEntries(
    Object.entries(descriptions).map(([code, description]) => [code, { description }]),
  ),
});
