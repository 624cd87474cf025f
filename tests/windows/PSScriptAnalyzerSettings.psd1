@{
    Severity = @('Error', 'Warning')
    # Progress is printed for people; parameter blocks are filled in for the part of a script that may not use all.
    ExcludeRules = @('PSUseDeclaredVarsMoreThanAssignments', 'PSAvoidUsingEmptyCatchBlock', 'PSUseShouldProcessForStateChangingFunctions', 'PSUseSingularNouns')
}
