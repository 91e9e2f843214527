import { DomainError } from '../../src/core/errors';

describe('a DomainError', () => {
  it('keeps all its problems when its fields are made relative to a part of the input', () => {
    const problem = (field: string): { code: 'INVALID_INPUT'; field: string; message: string } => ({
      code: 'INVALID_INPUT',
      field,
      message: `${field} is wrong.`,
    });
    const error = new DomainError('INVALID_INPUT', 'Several values are wrong.', {
      field: 'input.id',
      problems: ['input.id', 'input.names[1]', 'inputs.id'].map(problem),
      details: { given: 3 },
    });
    const { code, message, field, details, problems } = error.relativeTo('input');
    expect({ code, message, field, details }).toEqual({
      code: 'INVALID_INPUT',
      message: 'Several values are wrong.',
      field: 'id',
      details: { given: 3 },
    });
    expect(problems.map((each) => each.field)).toEqual(['id', 'names[1]', 'inputs.id']);
    expect(new DomainError('NOT_RETRYABLE', 'No.').relativeTo('input')).toMatchObject({ problems: [] });
  });
});
