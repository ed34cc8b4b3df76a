#!/bin/sh
# Writes a header in which a use of a public function first says that it is used.
#
# Usage: calls.sh SYMBOLS >calls.h
set -eu

# Not those that only the functions in headers call.
names=$(sed -n 's/^T \(sheaf_[a-z0-9_]*\)@@.*/\1/p' "$1" | grep -vE '^sheaf_fork_(spawn_late|join_late|wake)_')

echo '#ifndef SHEAF_TESTS_FAULTS_CALLS_H'
echo '#define SHEAF_TESTS_FAULTS_CALLS_H'
echo '#include <sheaf.h>'
echo '#define FAULT_CALLS(X) \'
echo "$names" | sed 's/.*/    X(&) \\/'
echo
echo 'enum fault_call {'
echo "$names" | sed 's/.*/    FAULT_CALL_&,/'
echo '    FAULT_CALL_COUNT'
echo '};'
echo 'void fault_called(enum fault_call call);'
echo '#ifndef FAULT_UNCOUNTED'
echo "$names" | sed 's/.*/#undef &/'
echo "$names" | sed 's/.*/#define & (fault_called(FAULT_CALL_&), &)/'
echo '#endif'
echo '#endif'
