import { useQuery } from 'urql';
import { problemOf } from '../api/errors';
import { formatMoney } from '../api/formats';
import { EstimateCostDocument, type EstimateCostInput } from '../graphql/operations';

/** What an order costs, where the server has prices, and whether it would be refused now. */
export function CostNote({ input }: { input: EstimateCostInput | null }): React.JSX.Element | null {
  const [{ data }] = useQuery({
    query: EstimateCostDocument,
    variables: { input: input ?? { retry: '' } },
    pause: input === null,
  });
  const estimate = input === null ? null : data?.estimateCost;
  if (!estimate) return null;
  const { total, refusal } = estimate;
  return (
    <>
      {total !== null && (
        <p className="cost">
          Costs <strong>{formatMoney(total)}</strong>
        </p>
      )}
      {refusal !== null && (
        <p className="field-error" role="status">
          This would be refused now ({refusal}). {problemOf(refusal, '').advice}
        </p>
      )}
    </>
  );
}
