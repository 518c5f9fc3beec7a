"""Enumerations and bitmaps of the Smart Energy clusters. Source: comms_hub.md appendix G."""

from __future__ import annotations

import zigpy.types as t


class BlockPeriodControl(t.bitmap8):
    PriceAcknowledgementRequirement = 0x01
    RepeatingBlock = 0x02


class CO2Unit(t.enum8):
    KilogramPerKilowattHour = 0x01
    KilogramPerGallonOfGasoline = 0x02
    KilogramPerThermOfNaturalGas = 0x03


class CalendarTimeReference(t.enum8):
    UtcTime = 0x00
    StandardTime = 0x01
    LocalTime = 0x02


class CalendarType(t.enum8):
    DeliveredCalendar = 0x00
    ReceivedCalendar = 0x01
    DeliveredAndReceivedCalendar = 0x02
    FriendlyCreditCalendar = 0x03
    AuxilliaryLoadSwitchCalendar = 0x04


class CalorificValueUnit(t.enum8):
    MegajoulePerCubicMeter = 0x01
    MegajoulePerKilogram = 0x02


class ClearedEventsLogs(t.bitmap8):
    AllLogsCleared = 0x01
    TamperLogCleared = 0x02
    FaultLogCleared = 0x04
    GeneralEventLogCleared = 0x08
    SecurityEventLogCleared = 0x10
    NetworkEventLogCleared = 0x20


class CppEventResponseCppAuth(t.enum8):
    Accepted = 0x01
    Rejected = 0x02


class CppPriceTier(t.enum8):
    CPP1 = 0x00
    CPP2 = 0x01


class CreditAdjustmentType(t.enum8):
    CreditIncremental = 0x00
    CreditAbsolute = 0x01


class CreditPaymentStatus(t.enum8):
    Pending = 0x00
    ReceivedPaid = 0x01
    Overdue = 0x02
    TwoPaymentsOverdue = 0x03
    ThreePaymentsOverdue = 0x04


class CurrencyChangeControl(t.bitmap32):
    ClearBillingInfo = 0x01
    ConvertBillingInfoUsingNewCurrency = 0x02
    ClearOldConsumptionData = 0x04
    ConvertOldConsumptionDataUsingNewCurrency = 0x08


class DebtAmountType(t.enum8):
    Type1Absolute = 0x00
    Type1Incremental = 0x01
    Type2Absolute = 0x02
    Type2Incremental = 0x03
    Type3Absolute = 0x04
    Type3Incremental = 0x05


class DebtRecoveryFrequency(t.enum8):
    PerHour = 0x00
    PerDay = 0x01
    PerWeek = 0x02
    PerMonth = 0x03
    PerQuarter = 0x04


class DebtRecoveryMethod(t.enum8):
    TimeBased = 0x00
    PercentageBased = 0x01
    CatchUpBased = 0x02


class EventActionControl(t.bitmap8):
    ReportEventToHANDevices = 0x01
    ReportEventToWAN = 0x02


class EventConfiguration(t.bitmap8):
    LogAction = 0x07
    PushEventToWAN = 0x08
    PushEventToHAN = 0x10
    RaiseAlarmZigBee = 0x20
    RaiseAlarmPhysical = 0x40


class EventConfigurationControl(t.enum8):
    ApplyByList = 0x00
    ApplyByEventGroup = 0x01
    ApplyByLogType = 0x02
    ApplyByConfigurationMatch = 0x03


class EventLogId(t.enum8):
    AllLogs = 0x00
    TamperLog = 0x01
    FaultLog = 0x02
    GeneralEventLog = 0x03
    SecurityEventLog = 0x04
    NetworkEventLog = 0x05
    GbcsGeneralEventLog = 0x06
    GbcsSecurityEventLog = 0x07


class GetProfileStatus(t.enum8):
    Success = 0x00
    UndefinedIntervalChannelRequested = 0x01
    IntervalChannelNotSupported = 0x02
    InvalidEndTime = 0x03
    MorePeriodsRequestedThanCanBeReturned = 0x04
    NoIntervalsAvailableForTheRequestedTime = 0x05


class IntervalChannel(t.enum8):
    ConsumptionDelivered = 0x00
    ConsumptionReceived = 0x01


class IntervalPeriod(t.enum8):
    Daily = 0x00
    Minutes60 = 0x01
    Minutes30 = 0x02
    Minutes15 = 0x03
    Minutes10 = 0x04
    Minutes7p5 = 0x05
    Minutes5 = 0x06
    Minutes2p5 = 0x07


class KeyEstablishmentStatus(t.enum8):
    Success = 0x00
    UnknownIssuer = 0x01
    BadKeyConfirm = 0x02
    BadMessage = 0x03
    NoResources = 0x04
    UnsupportedSuite = 0x05
    InvalidKeyUsage = 0x06


class MeteringSupplyStatus(t.enum8):
    SupplyOff = 0x00
    SupplyOffArmed = 0x01
    SupplyOn = 0x02


class OriginatingDevice(t.enum8):
    EnergyServiceInterface = 0x00
    Meter = 0x01
    InHomeDisplayDevice = 0x02


class PasswordType(t.enum8):
    Password1ServiceMenuAccess = 0x01
    Password2ConsumerMenuAccess = 0x02
    Password3 = 0x03
    Password4 = 0x04


class PaymentControlConfiguration(t.bitmap16):
    DisconnectionEnabled = 0x0001
    PrepaymentEnabled = 0x0002
    CreditManagementEnabled = 0x0004
    CreditDisplayEnabled = 0x0010
    AccountBase = 0x0040
    ContactorFitted = 0x0080
    StandingChargeConfiguration = 0x0100
    EmergencyStandingChargeConfiguration = 0x0200
    DebtConfiguration = 0x0400
    EmergencyDebtConfiguration = 0x0800


class PrepaySnapshotPayloadCause(t.bitmap32):
    General = 0x00000001
    ChangeOfTariffInformation = 0x00000008
    ChangeOfPriceMatrix = 0x00000010
    ManuallyTriggeredFromClient = 0x00000400
    ChangeOfTenancy = 0x00001000
    ChangeOfSupplier = 0x00002000
    ChangeOfMeterMode = 0x00004000
    TopUpAddition = 0x00040000
    DebtCreditAddition = 0x00080000


class PrepaySnapshotPayloadType(t.enum8):
    DebtCreditStatus = 0x00
    NotUsed = 0xFF


class PriceControlMask(t.bitmap8):
    PriceAcknowledgementRequired = 0x01
    TotalTiersExceeds15 = 0x02


class ProposedChangeControl(t.bitmap32):
    """Control bits of a change, for frames and the class table. ``tenancy.controls.Control`` has the same."""

    PreSnapshots = 0x00000001
    PostSnapshots = 0x00000002
    ResetCreditRegister = 0x00000004
    ResetDebitRegister = 0x00000008
    ResetBillingPeriod = 0x00000010
    ClearTariffPlan = 0x00000020
    ClearStandingCharge = 0x00000040
    BlockHistoricalLoadProfileInformation = 0x00000080
    ClearHistoricalLoadProfileInformation = 0x00000100
    ClearIhdDataConsumer = 0x00000200
    ClearIhdDataSupplier = 0x00000400
    MeterConnectorStateOnOffArmed = 0x00001800
    ClearTransactionLog = 0x00002000
    ClearPrepaymentLog = 0x00004000


class ProposedSupplyStatus(t.enum8):
    Reserved = 0x00
    SupplyOffArmed = 0x01
    SupplyOn = 0x02


class PublishCppEventCppAuth(t.enum8):
    Pending = 0x00
    Accepted = 0x01
    Rejected = 0x02
    Forced = 0x03


class RepaymentDebtType(t.enum8):
    Debt1 = 0x00
    Debt2 = 0x01
    Debt3 = 0x02
    AllDebts = 0xFF


class ResultType(t.enum8):
    Accepted = 0x00
    RejectedInvalidTopUp = 0x01
    RejectedDuplicateTopUp = 0x02
    RejectedError = 0x03
    RejectedMaxCreditReached = 0x04
    RejectedKeypadLock = 0x05
    RejectedTopUpValueTooLarge = 0x06
    AcceptedSupplyEnabled = 0x10
    AcceptedSupplyDisabled = 0x11
    AcceptedSupplyArmed = 0x12


class SampleType(t.enum8):
    ConsumptionDelivered = 0x00


class SnapshotCause(t.bitmap32):
    General = 0x00000001
    EndOfBillingPeriod = 0x00000002
    EndOfBlockPeriod = 0x00000004
    ChangeOfTariffInformation = 0x00000008
    ChangeOfPriceMatrix = 0x00000010
    ChangeOfBlockThresholds = 0x00000020
    ChangeOfCv = 0x00000040
    ChangeOfCf = 0x00000080
    ChangeOfCalendar = 0x00000100
    CriticalPeakPricing = 0x00000200
    ManuallyTriggeredFromClient = 0x00000400
    EndOfResolvePeriod = 0x00000800
    ChangeOfTenancy = 0x00001000
    ChangeOfSupplier = 0x00002000
    ChangeOfMode = 0x00004000
    DebtPayment = 0x00008000
    ScheduledSnapshot = 0x00010000
    OtaFirmwareDownload = 0x00020000


class SnapshotConfirmation(t.enum8):
    Accepted = 0x00
    SnapshotCauseNotSupported = 0x01


class SnapshotPayloadType(t.enum8):
    TouInformationSetDeliveredRegisters = 0x00
    TouInformationSetReceivedRegisters = 0x01
    BlockTierInformationSetDelivered = 0x02
    BlockTierInformationSetReceived = 0x03
    TouInformationSetDeliveredRegistersNoBilling = 0x04
    TouInformationSetReceivedRegisterNoBillings = 0x05
    BlockTierInformationSetDeliveredNoBilling = 0x06
    BlockTierInformationSetReceivedNoBilling = 0x07
    DataUnavailable = 0x80


class SnapshotScheduleConfirmation(t.enum8):
    Accepted = 0x00
    SnapshotTypeNotSupported = 0x01
    SnapshotCauseNotSupported = 0x02
    SnapshotScheduleNotCurrentlyAvailable = 0x03
    SnapshotSchedulesNotSupportedByDevice = 0x04
    InsufficientSpaceForSnapshotSchedule = 0x05


class SupplyStatus(t.enum8):
    SupplyOff = 0x00
    SupplyOffArmed = 0x01
    SupplyOn = 0x02
    SupplyUnchanged = 0x03


class TariffResolutionPeriod(t.enum8):
    NotDefined = 0x00
    BlockPeriod = 0x01
    OneDay = 0x02


class TariffType(t.enum8):
    DeliveredTariff = 0x00
    ReceivedTariff = 0x01
    DeliveredAndReceivedTariff = 0x02


class TierBlockMode(t.enum8):
    ActiveBlock = 0x00
    ActiveBlockPriceTier = 0x01
    ActiveBlockPriceTierThreshold = 0x02
    NotUsed = 0xFF


class UnitOfMeasure(t.enum8):
    KiloWattHours = 0x00
    CubicMeterPerHour = 0x01
    CubicFeetPerHour = 0x02
    CentumCubicFeetPerHour = 0x03
    UsGallonsPerHour = 0x04
    ImperialGallonsPerHour = 0x05
    BtUsOrBtuPerHour = 0x06
    LitersOrLitersPerHour = 0x07
    KpaGauge = 0x08
    KpaAbsolute = 0x09
    McfOrMcfPerSecond = 0x0A
    Unitless = 0x0B
    MjOrMjPerSecond = 0x0C
    KVarOrKVarHours = 0x0D
    KiloWattHoursBcd = 0x80
    CubicMeterPerHourBcd = 0x81
    CubicFeetPerHourBcd = 0x82
    CentumCubicFeetPerHourBcd = 0x83
    UsGallonsPerHourBcd = 0x84
    ImperialGallonsPerHourBcd = 0x85
    BtUsOrBtuPerHourBcd = 0x86
    LitersOrLitersPerHourBcd = 0x87
    KpaGuageBcd = 0x88
    KpaAbsoluteBcd = 0x89
    McfOrMcfPerSecondBcd = 0x8A
    UnitlessBcd = 0x8B
    MjOrMjPerSecondBcd = 0x8C
    KVarOrKVarHoursBcd = 0x8D
