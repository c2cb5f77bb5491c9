// The people of the sample portal. Their ids differ from their user ids, as in HubSpot.

export type Owner = {
  id: string;
  email: string;
  firstName: string;
  lastName: string;
  userId: number;
};

export const OWNERS: Owner[] = [
  {
    id: '81960210',
    email: 'ana@example.com',
    firstName: 'Ana',
    lastName: 'Silva',
    userId: 5201001,
  },
  {
    id: '81960211',
    email: 'ben@example.com',
    firstName: 'Ben',
    lastName: 'Okafor',
    userId: 5201002,
  },
  {
    id: '81960212',
    email: 'chi@example.com',
    firstName: 'Chi',
    lastName: 'Nguyen',
    userId: 5201003,
  },
];
