// Lessons and how-to pages stand above the functions that they use: who knows a function's name finds it in the
// reference. The numbers are those of Sphinx.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, , , , score]) => score + (/^(lessons|howto)\//.test(page) ? 20 : 0),
};
