// The pipelines of a new portal.

export type DefaultStage = { id: string; label: string; metadata: Record<string, string> };
export type DefaultPipeline = { id: string; label: string; stages: DefaultStage[] };

function dealStage(id: string, label: string, probability: string): DefaultStage {
  const isClosed = String(probability === '1.0' || probability === '0.0');
  return { id, label, metadata: { isClosed, probability } };
}

export const DEFAULT_PIPELINES: Record<string, DefaultPipeline[]> = {
  '0-3': [
    {
      id: 'default',
      label: 'Sales Pipeline',
      stages: [
        dealStage('appointmentscheduled', 'Appointment Scheduled', '0.2'),
        dealStage('qualifiedtobuy', 'Qualified To Buy', '0.4'),
        dealStage('presentationscheduled', 'Presentation Scheduled', '0.6'),
        dealStage('decisionmakerboughtin', 'Decision Maker Bought-In', '0.8'),
        dealStage('contractsent', 'Contract Sent', '0.9'),
        dealStage('closedwon', 'Closed Won', '1.0'),
        dealStage('closedlost', 'Closed Lost', '0.0'),
      ],
    },
  ],
  '0-5': [
    {
      id: '0',
      label: 'Support Pipeline',
      stages: [
        { id: '1', label: 'New', metadata: { isClosed: 'false', ticketState: 'OPEN' } },
        {
          id: '2',
          label: 'Waiting on contact',
          metadata: { isClosed: 'false', ticketState: 'OPEN' },
        },
        { id: '3', label: 'Waiting on us', metadata: { isClosed: 'false', ticketState: 'OPEN' } },
        { id: '4', label: 'Closed', metadata: { isClosed: 'true', ticketState: 'CLOSED' } },
      ],
    },
  ],
};
